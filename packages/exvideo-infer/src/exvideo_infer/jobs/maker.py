"""One loaded model, which makes one clip at a time; that of Stable Video Diffusion."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from exvideo_infer.beyond import between_keyframes, chain
from exvideo_infer.decode import OVERLAP, STREAMED
from exvideo_infer.first_frame import cover, picture_hash
from exvideo_infer.jobs.given_clip import hash_of_frames, last_frame, rate_of
from exvideo_infer.jobs.job import Clip, Job, steps_of
from exvideo_infer.jobs.model import ModelChoice, model_hash
from exvideo_infer.jobs.ways import Way, way_of
from exvideo_infer.pictures import read_image
from exvideo_infer.pipeline import ExVideoPipeline
from exvideo_infer.schedules import evaluations
from exvideo_infer.second_pass import DEFAULT_STRENGTH
from exvideo_infer.video_file import read_clip

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
            fps=_rate(job),
            motion_bucket_id=job.motion_bucket_id,
        )
        files, num_frames = self._files(job, sampling.fps)
        height, width = job.height or self._size[0], job.width or self._size[1]
        way = way_of(job, num_frames, sampling.fps, self._length_of(job))
        self._check(job, way, height, width)
        asked = evaluations(self.pipeline.scheduler, sampling.num_inference_steps, files.get("strength", 1.0))
        settings = {
            "prompt": job.prompt,
            "image": None if job.image is None else picture_hash(read_image(job.image)),
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
        return Clip(job, {**settings, **files, **way.settings}, asked * way.calls * way.pieces, way.longest)

    def _files(self, job: Job, fps: float) -> tuple[dict[str, Any], int]:
        """Settings of the clips that a job begins from, and the number of frames to make."""
        num_frames = job.frames(self._num_frames, fps)
        if job.continues is not None:
            return {"continues": picture_hash(last_frame(job.continues))}, num_frames
        if job.video is None:
            return {}, num_frames
        is_given = job.num_frames is not None or job.seconds is not None
        video, count = hash_of_frames(job.video, num_frames if is_given else None)
        return {"video": video, "strength": DEFAULT_STRENGTH if job.strength is None else job.strength}, count

    def _check(self, job: Job, way: Way, height: int, width: int) -> None:
        own = self._length_of(job)
        if job.extended and self.pipeline.extension is not None and way.longest > own:
            raise ValueError(
                f"{way.piece} is {way.longest}, but the extension has {own}: ask for no more than that, or for windows."
            )
        self.pipeline.check_inputs(min(way.longest, own), height, width)
        self.pipeline.check_conditions(job.prompt, _picture(job))

    def _length_of(self, job: Job) -> int:
        """Frames that the model knows, with the extension or without, whichever is on just now."""
        return self._num_frames if job.extended else int(self.pipeline.unet.config.num_frames)

    def frames(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        """As `Maker.frames`."""
        extension = self.pipeline.extension
        without = extension is not None and not clip.settings["extended"]
        with extension.disabled() if extension is not None and without else nullcontext():
            for frame in self._made(clip, watch):
                watch.check()
                yield frame

    def _made(self, clip: Clip, watch: Watch) -> "Iterator[NDArray[np.uint8]]":
        job, settings = clip.job, clip.settings
        resolved = replace(job, interpolator=settings.get("interpolator"))
        way = way_of(resolved, settings["num_frames"], settings["fps"], self._length_of(job))
        given = self._arguments(clip, watch)
        chunks: dict[str, Any] = {"decode_chunk_size": STREAMED, "decode_overlap": OVERLAP}
        if way.length is not None:
            yield from chain(self.pipeline, **given, **chunks, length=way.length, continues=self._continued(clip))
        elif way.every is not None:
            between = settings["interpolator"]
            yield from between_keyframes(self.pipeline, **given, **chunks, every=way.every, interpolator=between)
        else:
            latents = self.pipeline(**given, windows=way.windows, output_type="latent", return_dict=False)[0]
            yield from self.pipeline.decode_stream(latents)

    def _arguments(self, clip: Clip, watch: Watch) -> dict[str, Any]:
        """The arguments of the pipeline's call, or of the calls of a chain."""
        job, settings, steps = clip.job, clip.settings, steps_of(clip.settings)
        generator = torch.Generator().manual_seed(job.seed)  # of the CPU: the same noise on every device
        given = {name: value for name, value in settings.items() if name in ARGUMENTS}
        if job.video is not None:
            size = (settings["height"], settings["width"])
            video = read_clip(job.video, 0, settings["num_frames"], size)
            given |= {"video": video, "strength": settings["strength"]}
        return given | {
            "image": self._first_frame(clip, generator, watch),
            "prompt": job.prompt if self.pipeline.reads_text else None,
            "generator": generator,
            "callback_on_step_end": lambda _pipe, _step, _timestep, tensors: watch.step(steps, tensors),
            "callback_on_step_end_tensor_inputs": STEP_TENSORS,
        }

    def _continued(self, clip: Clip) -> "list[NDArray[np.uint8]] | None":
        if clip.job.continues is None:
            return None
        return [np.asarray(last_frame(clip.job.continues, (clip.settings["height"], clip.settings["width"])))]

    def _first_frame(self, clip: Clip, generator: torch.Generator, watch: Watch) -> Any:
        """The picture that is given, or the one that the pipeline itself would make, but watched; None for a clip's."""
        height, width = clip.settings["height"], clip.settings["width"]
        if clip.job.image is not None:
            return cover(read_image(clip.job.image), height, width)
        if clip.job.video is not None or clip.job.continues is not None:
            return None  # it is the clip's

        def check(_pipe: Any, _step: int, _timestep: Any, _tensors: Any) -> dict[str, Any]:
            watch.check()
            return {}

        make = self.pipeline.text_to_image
        size = {"height": height, "width": width}
        watched = {"callback_on_step_end": check} if hasattr(make, "_callback_tensor_inputs") else {}  # diffusers' mark
        return make(prompt=[clip.job.prompt], **size, generator=generator, output_type="pil", **watched).images


def _rate(job: Job) -> float | None:
    """The rate that is asked for, else that of the clip that is given."""
    source = job.continues or job.video
    return rate_of(source) if job.fps is None and source is not None else job.fps


def _picture(job: Job) -> Any:
    """A first frame, for checks: the picture that is given, or one of the clip that is."""
    if job.image is not None:
        return read_image(job.image)
    if job.continues is None and job.video is None:
        return None
    return Image.new("RGB", (8, 8))


def load_pipeline_maker(choice: ModelChoice, dtype: torch.dtype) -> PipelineMaker:
    """Loads a base of Stable Video Diffusion's shape and its extension. Raises ValueError if one cannot be had."""
    if choice.extension_2 is not None:
        raise ValueError(f"{choice.base} is no mixture of two experts, and has no --extension-2: leave it out.")
    pipeline = ExVideoPipeline.from_pretrained(choice.base, torch_dtype=dtype, text_to_image=choice.text_to_image)
    if choice.extension is not None:
        pipeline.load_extension(choice.extension)
    if choice.decode_tile_size is not None:
        pipeline.enable_vae_tiling(choice.decode_tile_size)
    pipeline.guidance_batched = not choice.guidance_apart
    pipeline.unload_unet = choice.unload_unet
    pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return PipelineMaker(pipeline)
