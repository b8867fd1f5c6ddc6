"""Held-out clips, checkpoints and tracking, as a person writes them."""

from importlib.util import find_spec
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from exvideo_train.config.keys import Here, Positive, PositiveInt, Section, Sigmas

HELD_OUT: Final = "held_out"  # in place of pictures: the first frames of held-out clips
Guidance = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class ValidationSection(Section):
    """Held-out loss: each clip at each sigma with fixed noise, every `every` steps, at the start and at the end."""

    videos: Here
    every: PositiveInt = 100
    sigmas: Sigmas = Field(default=[1.0, 4.0, 20.0, 100.0])
    clip_stride: PositiveInt = 1_000_000
    max_clips: PositiveInt = 16


class SamplesSection(Section):
    """Clips by the EMA of the weights every `every` steps and at the end, beside the base's own with the same seeds.

    They begin at `first_frames`: those of the first `clips` held-out clips (with their captions, or with `prompts` in
    their place), pictures (with as many `prompts`, or none), or None, for a base that needs words alone. A key that is
    None is as the base recommends (steps, guidance), or as the clips are (fps, motion bucket, size in pixels, (height,
    width)). `metrics` scores them by exvideo-eval; None for where it is installed.
    """

    every: PositiveInt = 500
    first_frames: Literal["held_out"] | Annotated[list[Here], Field(min_length=1)] | None = HELD_OUT
    prompts: Annotated[list[str], Field(min_length=1)] | None = None
    clips: PositiveInt = 4
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1)] = Field(default=[0])
    num_inference_steps: PositiveInt | None = None
    min_guidance_scale: Guidance | None = None
    max_guidance_scale: Guidance | None = None
    fps: Positive | None = None
    motion_bucket_id: Annotated[float, Field(ge=0, le=255)] | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None
    metrics: bool | None = None

    @property
    def begins_held_out(self) -> bool:
        """True if the clips begin at the first frames of held-out ones."""
        return self.first_frames == HELD_OUT

    @field_validator("metrics")
    @classmethod
    def _can_score(cls, value: bool | None) -> bool | None:
        if value and find_spec("exvideo_eval") is None:
            raise ValueError('it needs the package exvideo-eval: `pip install "exvideo-train[eval]"`, or leave it null')
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.first_frames is None and self.prompts is None:
            raise ValueError("first_frames is null and there are no prompts: give one of the two")
        if isinstance(self.first_frames, list) and self.prompts and len(self.prompts) != len(self.first_frames):
            raise ValueError(
                f"there are {len(self.first_frames)} first_frames and {len(self.prompts)} prompts: give as many"
            )
        return self


class CheckpointSection(Section):
    """A resumable checkpoint every `every` steps, and every `minutes`.

    The newest `keep` stay, and those at multiples of `keep_every` steps. `asynchronous` ones are written beside the
    steps that follow.
    """

    every: PositiveInt = 100
    minutes: Positive | None = None
    keep: PositiveInt = 2
    keep_every: PositiveInt | None = None
    asynchronous: bool = True


class TrackingSection(Section):
    """MLflow: a server's URI, or None for an SQLite file in the run's own folder."""

    experiment: Annotated[str, Field(min_length=1, max_length=500)] = "exvideo"
    uri: str | None = None
    system_metrics: bool = False
    registered_model: Annotated[str, Field(pattern=r"^[^/:.\s][^/:]*$")] | None = None

    @field_validator("system_metrics")
    @classmethod
    def _can_measure(cls, value: bool) -> bool:
        if value and find_spec("psutil") is None:
            raise ValueError("it needs the package psutil: `pip install psutil`, or leave it false")
        return value
