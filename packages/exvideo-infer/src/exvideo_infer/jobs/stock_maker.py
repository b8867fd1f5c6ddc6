"""One loaded base that makes one clip at a time by diffusers' own pipeline."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from exvideo_infer.bases import pipeline_class
from exvideo_infer.bases.optional import SampledByStock
from exvideo_infer.first_frame import cover, picture_hash
from exvideo_infer.jobs.job import SETTINGS, Clip, Job
from exvideo_infer.jobs.maker import Watch
from exvideo_infer.jobs.model import ModelChoice, model_hash
from exvideo_infer.pictures import read_image
from exvideo_infer.schedules import evaluations
from exvideo_infer.stock import TextRequest, defaults_of, generate, load_stock

if TYPE_CHECKING:
    import numpy as np


HAS_NO = ("continues", "video", "guidance_min", "motion_bucket_id", "beyond", *SETTINGS, "strength")


@dataclass(frozen=True)
class StockMaker:
    """Makes clips of words by the stock pipeline, as `exvideo_infer.jobs.maker.Maker` says.

    Args:
        base: loaded, perhaps extended.
        name: of the base, for errors.
    """

    base: SampledByStock
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
            raise ValueError(f'{self.name} makes clips of words: give --prompt "a boat on a lake".')
        lacking = HAS_NO if self.base.image_pipeline is not None else (*HAS_NO, "image")
        for name in lacking:
            if getattr(job, name) is not None:
                raise ValueError(_has_no(self.name, type(self.pipeline).__name__, name))
        fps = job.fps or defaults_of(self.base).fps
        if not job.extended:
            raise ValueError(
                f"{self.name} is of {type(self.pipeline).__name__}, whose extension cannot be left out of a clip: load "
                "none."
            )
        filled = self._request(job, fps).filled(self.base)
        picture = {} if job.image is None else {"image": picture_hash(read_image(job.image))}
        settings = {**filled, **picture, "seed": job.seed, "fps": fps, "version": version("exvideo-infer")}
        asked = evaluations(self.pipeline.scheduler, filled["num_inference_steps"])
        return Clip(job, settings, asked, filled["num_frames"])

    def frames(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        """As `Maker.frames`."""
        steps = clip.settings["num_inference_steps"]

        def on_step(_pipe: Any, _step: int, _timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
            watch.step(steps, tensors)
            return {}

        request = self._request(clip.job, clip.settings["fps"])
        if clip.job.image is not None:
            size = (clip.settings["height"], clip.settings["width"])
            request = replace(request, image=cover(read_image(clip.job.image), *size))
        yield from generate(self.base, request, on_step)

    def _request(self, job: Job, fps: float) -> TextRequest:
        frames = None if job.num_frames is None and job.seconds is None else job.frames(1, fps)
        assert job.prompt is not None
        picture = None if job.image is None else read_image(job.image)
        return TextRequest(
            job.prompt, frames, job.height, job.width, job.steps, job.guidance_max, job.seed, fps, picture
        )


def load_stock_maker(choice: ModelChoice, dtype: torch.dtype) -> StockMaker:
    """Loads a base that its own pipeline samples, and its extension.

    Raises:
        ValueError: one cannot be had, or it has no use for an option.
    """
    for name in ("text_to_image", "decode_tile_size", "guidance_apart", "unload_unet"):
        if getattr(choice, name):
            raise ValueError(_has_no(str(choice.base), str(pipeline_class(choice.base)), name))
    base = load_stock(choice.base, choice.extension, dtype, choice.extension_2)
    base.pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return StockMaker(base, str(choice.base))


def _has_no(base: str, pipeline: str, name: str) -> str:
    return f"{base} is of {pipeline}, which has no --{name.replace('_', '-')}: leave it out."
