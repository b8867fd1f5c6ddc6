"""One loaded AnimateDiff, which makes one clip at a time by diffusers' own pipeline."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from exvideo_infer.jobs.job import FILES, SETTINGS, Clip, Job
from exvideo_infer.jobs.maker import Watch
from exvideo_infer.jobs.model import ModelChoice, model_hash
from exvideo_infer.schedules import evaluations
from exvideo_infer.stock import AnimateDiffBase, TextRequest, defaults_of, generate, load_stock

if TYPE_CHECKING:
    import numpy as np


HAS_NO = (*FILES, "guidance_min", "motion_bucket_id", "beyond", *SETTINGS, "strength")


@dataclass(frozen=True)
class StockMaker:
    """Makes clips of words by the stock pipeline, as `exvideo_infer.jobs.maker.Maker` says.

    Args:
        base: loaded, perhaps extended.
        name: of the base, for errors.
    """

    base: AnimateDiffBase
    name: str

    @property
    def pipeline(self) -> Any:
        """diffusers' own."""
        return self.base.pipeline

    @cached_property
    def model(self) -> str:
        """Hash of all of the pipeline's parts."""
        return model_hash(self.pipeline.components)

    def resolve(self, job: Job) -> Clip:
        """As `Maker.resolve`."""
        if job.prompt is None:
            raise ValueError(f'{self.name} makes clips of words alone: give --prompt "a boat on a lake".')
        for name in HAS_NO:
            if getattr(job, name) is not None:
                raise ValueError(_has_no(self.name, name))
        fps = job.fps or defaults_of(self.base).fps
        if not job.extended:
            raise ValueError(f"{self.name} is an AnimateDiff, whose extension cannot be left out of a clip: load none.")
        filled = self._request(job, fps).filled(self.base)
        settings = {**filled, "seed": job.seed, "fps": fps, "version": version("exvideo-infer")}
        asked = evaluations(self.pipeline.scheduler, filled["num_inference_steps"])
        return Clip(job, settings, asked, filled["num_frames"])

    def frames(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        """As `Maker.frames`."""
        steps = clip.settings["num_inference_steps"]

        def on_step(_pipe: Any, _step: int, _timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
            watch.step(steps, tensors)
            return {}

        yield from generate(self.base, self._request(clip.job, clip.settings["fps"]), on_step)

    def _request(self, job: Job, fps: float) -> TextRequest:
        frames = None if job.num_frames is None and job.seconds is None else job.frames(1, fps)
        assert job.prompt is not None
        return TextRequest(job.prompt, frames, job.height, job.width, job.steps, job.guidance_max, job.seed)


def load_stock_maker(choice: ModelChoice, dtype: torch.dtype) -> StockMaker:
    """Loads AnimateDiff and its extension. Raises ValueError if one cannot be had, or it has no use for an option."""
    for name in ("text_to_image", "decode_tile_size", "unload_unet"):
        if getattr(choice, name):
            raise ValueError(_has_no(str(choice.base), name))
    base = load_stock(choice.base, choice.extension, dtype)
    base.pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return StockMaker(base, str(choice.base))


def _has_no(base: str, name: str) -> str:
    return f"{base} is an AnimateDiff, which has no --{name.replace('_', '-')}: leave it out."
