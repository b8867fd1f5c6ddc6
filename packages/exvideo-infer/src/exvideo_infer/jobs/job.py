"""A clip that is asked for, and the clip that it is once a model has filled in what was left open."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from exvideo_infer.ranges import INTERPOLATORS, RANGES

LONGEST_NAME = 200  # bytes, so that suffixes and marks of a file in the making fit
NAME_LENGTH = 20  # hexadecimal digits, 80 bits: no two of any clips that are ever made share them
WAYS = ("windows", "free-noise", "chain", "keyframes")
# Settings by the ways that they are of.
SETTINGS = {
    "window_length": ("windows", "free-noise", "chain"),
    "window_overlap": ("windows", "free-noise"),
    "keyframe_every": ("keyframes",),
    "interpolator": ("keyframes",),
}
FILES = ("image", "continues", "video")


@dataclass(frozen=True)
class Job:
    """A clip that is asked for. None leaves a value to the extension or the base.

    Args:
        prompt: to be seen; with an image only for a base that reads text.
        image: file of the first frame; without it the frame is made from the prompt.
        seed: of the noise.
        num_frames, seconds: length, in one of them; `seconds` times the frame rate is rounded.
        height, width: pixels.
        steps: evaluations of the network.
        fps: frames a second that the model is told and the file has.
        guidance_min, guidance_max: guidance of the first and the last frame.
        motion_bucket_id: 0 (still) to 255.
        beyond: one of `WAYS`, how a clip is made that is longer than the model's; None asks for it at once.
        window_length, window_overlap: frames of each window, and those that two share; of a chain, of each clip.
        keyframe_every: frames from one keyframe to the next.
        interpolator: of the frames between keyframes, one of `exvideo_infer.ranges.INTERPOLATORS`.
        continues: file of a clip that is gone on with, as a chain: its last frame is the first. What is made are the
            frames after it.
        video: file of a clip to begin from, noised to `strength` (`exvideo_infer.second_pass`).
        extended: False makes the clip by the base alone, at the numbers that the extension recommends.
        name: of its file in a folder of clips, without the suffix; None for a hash of all that decides it.

    Raises:
        ValueError: a value is not of its kind or out of its range (`RANGES`), both lengths are given, neither prompt
            nor a file, or settings that do not go together.
    """

    prompt: str | None = None
    image: Path | None = None
    seed: int = 0
    num_frames: int | None = None
    seconds: float | None = None
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    fps: float | None = None
    guidance_min: float | None = None
    guidance_max: float | None = None
    motion_bucket_id: float | None = None
    beyond: str | None = None
    window_length: int | None = None
    window_overlap: int | None = None
    keyframe_every: int | None = None
    interpolator: str | None = None
    continues: Path | None = None
    video: Path | None = None
    strength: float | None = None
    extended: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        for name, accepted in RANGES.items():
            value = getattr(self, name)
            if value is not None and value not in accepted:
                raise ValueError(f"{name} is {value!r}: give {accepted}.")
        if self.num_frames is not None and self.seconds is not None:
            raise ValueError(f"num_frames is {self.num_frames} and seconds is {self.seconds:g}: give one of them.")
        if self.prompt is None and all(getattr(self, name) is None for name in FILES):
            raise ValueError("Neither prompt nor image is given: say what to show, or give a first frame.")
        self._check_way()
        self._check_clips()
        if not isinstance(self.extended, bool):
            raise ValueError(f"extended is {self.extended!r}: give true or false.")
        if self.prompt is not None:
            check_text("prompt", self.prompt)
        if self.name is not None:
            check_name(self.name)

    def _check_way(self) -> None:
        if self.beyond is not None and self.beyond not in WAYS:
            raise ValueError(f"beyond is {self.beyond!r}: give {' or '.join(WAYS)}.")
        if self.interpolator is not None and self.interpolator not in INTERPOLATORS:
            raise ValueError(f"interpolator is {self.interpolator!r}: give {' or '.join(INTERPOLATORS)}.")
        way = "chain" if self.beyond is None and self.continues is not None else self.beyond
        for name, ways in SETTINGS.items():
            value = getattr(self, name)
            if value is not None and way not in ways:
                raise ValueError(f"{name} is {value}, a setting of beyond {' or '.join(ways)}: give that, too.")

    def _check_clips(self) -> None:
        if self.continues is not None:
            for name in ("image", "video"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} and continues are given, and a clip begins from one of them: give one.")
            if self.beyond not in (None, "chain"):
                raise ValueError(f"beyond is {self.beyond}, and a clip is continued as a chain: leave beyond out.")
        if self.video is not None and self.beyond in ("chain", "keyframes"):
            raise ValueError(f"beyond is {self.beyond}, and a video is gone over whole: give windows, or leave it out.")
        if self.strength is not None and self.video is None:
            raise ValueError(f"strength is {self.strength:g}, and there is no video to put noise on: give video, too.")

    def frames(self, default: int, fps: float) -> int:
        """The number of frames: as given, or of the seconds at this rate, or the default."""
        if self.seconds is not None:
            return max(1, round(self.seconds * fps))
        return default if self.num_frames is None else self.num_frames


JOB_KEYS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True)
class Clip:
    """A job as one model makes it.

    Args:
        job: what was asked for.
        settings: all that decides the clip besides the model's weights, as JSON can write it, nothing left open.
        evaluations: of the network, where the maker counts them.
        longest: frames of the longest piece that it sees in one.
    """

    job: Job
    settings: Mapping[str, Any]
    evaluations: int | None = None
    longest: int | None = None

    def name(self, model: str) -> str:
        """The clip's name, a hash of all that decides it: the same for the same clip, on any machine.

        Args:
            model: hash of the model's weights and configurations.
        """
        decides = json.dumps({**self.settings, "model": model}, sort_keys=True)
        return hashlib.sha256(decides.encode()).hexdigest()[:NAME_LENGTH]

    def file_name(self, model: str) -> str:
        """The name of its file, without the suffix: the job's, or `name`."""
        return self.job.name or self.name(model)

    def __str__(self) -> str:
        """One line of the settings: "64x64, 8 frames at 8 fps, 12 steps, ..., seed 0"."""
        said = {name: value for name, value in self.settings.items() if value is not None}
        head = f"{said.pop('width')}x{said.pop('height')}, {said.pop('num_frames')} frames at {said.pop('fps'):g} fps"
        seed = said.pop("seed")
        numbers = (f"{name} {value:g}" for name, value in said.items() if type(value) in (int, float))
        words = (f"{name} {said[name]}" for name in ("beyond", "interpolator") if name in said)
        return ", ".join((head, *numbers, *words, f"seed {seed}"))

    @property
    def cost(self) -> str:
        """A sentence on the evaluations: "It takes 100 evaluations of the network, each of up to 8 frames."; or ""."""
        if self.evaluations is None:
            return ""
        guided = (
            max(self.settings.get(name) or 1 for name in ("min_guidance_scale", "max_guidance_scale", "guidance_scale"))
            > 1
        )
        twice = ", twice for guidance" if guided else ""
        return f"It takes {self.evaluations} evaluations of the network, each of up to {self.longest} frames{twice}."


def steps_of(settings: Mapping[str, Any]) -> int:
    """The denoising steps of a clip's settings, those of all the clips of a chain."""
    steps: int = settings["num_inference_steps"]
    return steps * int(settings.get("clips", 1))


def check_text(name: str, value: Any) -> None:
    """Raises ValueError if a value is no text, or none that can be written to a file."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}: give text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has half of a character at {error.start}: give text that UTF-8 can write.") from error


def check_name(name: Any) -> None:
    """Raises ValueError if a file of a folder cannot be called so."""
    check_text("name", name)
    is_plain = name.strip() == name and name.isprintable() and not set(name) & set("/\\") and not name.startswith(".")
    if not name or not is_plain or len(name.encode()) > LONGEST_NAME:
        raise ValueError(
            f"name is {name!r}: give the name of a file without its suffix, of at most {LONGEST_NAME} bytes, without "
            "slashes, that neither begins with a dot nor has a space at an end."
        )
