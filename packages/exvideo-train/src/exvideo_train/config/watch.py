"""Held-out clips, checkpoints and tracking, as a person writes them."""

from importlib.util import find_spec
from typing import Annotated

from pydantic import Field, field_validator

from exvideo_train.config.keys import Here, Positive, PositiveInt, Section, Sigmas


class ValidationSection(Section):
    """Held-out loss: each clip at each sigma with fixed noise, every `every` steps, at the start and at the end."""

    videos: Here
    every: PositiveInt = 100
    sigmas: Sigmas = Field(default=[1.0, 4.0, 20.0, 100.0])
    clip_stride: PositiveInt = 1_000_000
    max_clips: PositiveInt = 16


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
