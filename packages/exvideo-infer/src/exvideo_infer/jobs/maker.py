"""One loaded model, which makes one clip at a time; that of Stable Video Diffusion."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import torch
from numpy.typing import NDArray

from exvideo_infer.beyond import Windows
from exvideo_infer.decode import stream_frames
from exvideo_infer.first_frame import cover, picture_hash
from exvideo_infer.jobs.job import Clip, Job
from exvideo_infer.jobs.model import ModelChoice, model_hash
from exvideo_infer.pictures import read_image
from exvideo_infer.pipeline import ExVideoPipeline

if TYPE_CHECKING:
    import numpy as np

# Settings that are arguments of the pipeline by the same names.
ARGUMENTS = (
    "num_frames", "height", "width", "num_inference_steps", "min_guidance_scale", "max_guidance_scale", "fps",
    "motion_bucket_id", "noise_aug_strength",
)  # fmt: skip

STEP_TENSORS = ["pred_original_sample"]  # of a step: the clip as it is predicted clean, for previews


class CancelledError(Exception):
    """A clip that was cancelled while it was made."""


@dataclass
class Watch:
    """A clip in the making, as it is watched.

    Args:
        on_step: called after each step with the number of those done, of all, and the step's tensors.
        cancelled: once it is set, from any thread, the clip ends at its next step or frame by a `CancelledError`.
    """

    on_step: Callable[[int, int, Mapping[str, torch.Tensor]], None] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    step_times: list[float] = field(default_factory=list)

    def step(self, num_steps: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Notes a step, for the maker."""
        self.check()
        self.step_times.append(time.perf_counter())
        if self.on_step is not None:
            self.on_step(len(self.step_times), num_steps, tensors)

    def check(self) -> None:
        """Raises CancelledError if the clip is cancelled."""
        if self.cancelled.is_set():
            raise CancelledError

    @property
    def seconds_per_step(self) -> float | None:
        """Mean of the steps but the first, which other work comes before; None where there were not two."""
        times = self.step_times
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None


class Maker(Protocol):
    """A loaded model that makes clips. `resolve` may be called from any thread; `frames` by one at a time.

    Attributes:
        pipeline: of diffusers or its like; has `device`, `dtype` and `to`.
        model: hash of its weights and configurations.
    """

    @property
    def pipeline(self) -> Any: ...
    @property
    def model(self) -> str: ...

    def resolve(self, job: Job) -> Clip:
        """Fills in what a job leaves open. Raises ValueError if this model cannot make it."""
        ...

    def frames(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        """Makes a clip: frames (height, width, 3), a few decoded at a time."""
        ...


class PipelineMaker:
    """Makes clips by an `ExVideoPipeline`.

    Args:
        pipeline: loaded, perhaps extended; its defaults are taken now, and hold for clips without the extension, too.
    """

    def __init__(self, pipeline: ExVideoPipeline) -> None:
        self.pipeline = pipeline
        self._sampling = pipeline.sampling_defaults
        self._size = pipeline.default_size()
        self._num_frames = pipeline.default_num_frames

    @cached_property
    def model(self) -> str:
        """Hash of all parts, the text-to-image model's too."""
        pipe = self.pipeline
        names = ("unet", "vae", "image_encoder", "feature_extractor", "scheduler", "text_encoder", "tokenizer")
        parts = {name: getattr(pipe, name) for name in names}
        first_frames = getattr(pipe.text_to_image, "components", {})
        return model_hash(parts | {f"text_to_image.{name}": part for name, part in first_frames.items()})

    def resolve(self, job: Job) -> Clip:
        """As `Maker.resolve`."""
        sampling = self._sampling.replace(
            num_inference_steps=job.steps,
            min_guidance_scale=job.guidance_min,
            max_guidance_scale=job.guidance_max,
            fps=job.fps,
            motion_bucket_id=job.motion_bucket_id,
        )
        height, width = job.height or self._size[0], job.width or self._size[1]
        num_frames = job.frames(self._num_frames, sampling.fps)
        windows, own = _windows(job.beyond), self._length_of(job)
        if job.extended and self.pipeline.extension is not None and windows is None and num_frames > own:
            raise ValueError(
                f"num_frames is {num_frames}, but the extension has {own}: ask for no more than that, or for windows."
            )
        self.pipeline.check_inputs(min(num_frames, own), height, width)
        image = None if job.image is None else read_image(job.image)
        self.pipeline.check_conditions(job.prompt, image)
        settings = {
            "prompt": job.prompt,
            "image": None if image is None else picture_hash(image),
            "seed": job.seed,
            "num_frames": num_frames,
            "height": height,
            "width": width,
            "num_inference_steps": sampling.num_inference_steps,
            "min_guidance_scale": sampling.min_guidance_scale,
            "max_guidance_scale": sampling.max_guidance_scale,
            "fps": sampling.fps,
            "motion_bucket_id": sampling.motion_bucket_id,
            "noise_aug_strength": sampling.noise_aug_strength,
            "extended": job.extended and self.pipeline.extension is not None,
            "version": version("exvideo-infer"),
        }
        if windows is not None:
            cost = windows.of_length(own).evaluations(num_frames)
            settings |= {"beyond": job.beyond, "evaluations_a_step": cost}
        return Clip(job, settings)

    def _length_of(self, job: Job) -> int:
        """Frames that the model knows, with the extension or without, whichever is on just now."""
        return self._num_frames if job.extended else int(self.pipeline.unet.config.num_frames)

    def frames(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        """As `Maker.frames`."""
        extension = self.pipeline.extension
        without = extension is not None and not clip.settings["extended"]
        with extension.disabled() if extension is not None and without else nullcontext():
            latents = self._latents(clip, watch)
        for frame in stream_frames(self.pipeline.vae, latents):
            watch.check()
            yield frame

    def _latents(self, clip: Clip, watch: Watch) -> torch.Tensor:
        given = {name: value for name, value in clip.settings.items() if name in ARGUMENTS}
        steps = clip.settings["num_inference_steps"]
        generator = torch.Generator().manual_seed(clip.job.seed)  # of the CPU: the same noise on every device
        image = self._first_frame(clip, generator, watch)
        latents: torch.Tensor = self.pipeline(
            image=image,
            prompt=clip.job.prompt if self.pipeline.reads_text else None,
            **given,
            windows=_windows(clip.job.beyond),
            generator=generator,
            callback_on_step_end=lambda _pipe, _step, _timestep, tensors: watch.step(steps, tensors),
            callback_on_step_end_tensor_inputs=STEP_TENSORS,
            output_type="latent",
            return_dict=False,
        )[0]
        return latents

    def _first_frame(self, clip: Clip, generator: torch.Generator, watch: Watch) -> Any:
        """The picture that is given, or else the one that the pipeline itself would make, but watched."""
        height, width = clip.settings["height"], clip.settings["width"]
        if clip.job.image is not None:
            return cover(read_image(clip.job.image), height, width)

        def check(_pipe: Any, _step: int, _timestep: Any, _tensors: Any) -> dict[str, Any]:
            watch.check()
            return {}

        make = self.pipeline.text_to_image
        size = {"height": height, "width": width}
        watched = {"callback_on_step_end": check} if hasattr(make, "_callback_tensor_inputs") else {}  # diffusers' mark
        return make(prompt=[clip.job.prompt], **size, generator=generator, output_type="pil", **watched).images


def _windows(beyond: str | None) -> Windows | None:
    return None if beyond is None else Windows.free_noise() if beyond == "free-noise" else Windows()


def load_pipeline_maker(choice: ModelChoice, dtype: torch.dtype) -> PipelineMaker:
    """Loads a base of Stable Video Diffusion's shape and its extension. Raises ValueError if one cannot be had."""
    pipeline = ExVideoPipeline.from_pretrained(choice.base, torch_dtype=dtype, text_to_image=choice.text_to_image)
    if choice.extension is not None:
        pipeline.load_extension(choice.extension)
    pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return PipelineMaker(pipeline)
