"""The clips that a run samples again and again: what each begins from, and its noise."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from exvideo_infer import Base, Conditions, encode_for, read_clip
from torch import Tensor

from exvideo_train.config import SamplesSection
from exvideo_train.data import Data
from exvideo_train.data.dataset import Clip, nearest_size
from exvideo_train.errors import UserError

Size = tuple[int, int]  # height and width in pixels


@dataclass(frozen=True)
class Wanted:
    """One clip.

    Args:
        name: of its files, without suffix.
        label: for a person.
        conditions: of a batch of one, on the CPU.
        shape: of its latents, (frames, ...).
        seed: of its noise.
        fps: frames a second.
    """

    name: str
    label: str
    conditions: Conditions
    shape: tuple[int, ...]
    seed: int
    fps: float

    def noise(self) -> Tensor:
        """Standard normal, (1, frames, ...), on the CPU: the same on every device."""
        return torch.randn(1, *self.shape, generator=torch.Generator().manual_seed(self.seed))


@dataclass(frozen=True)
class _Start:
    """A beginning: a picture (1, 3, height, width) in [-1, 1], a text, and what the clip is told to be like."""

    label: str
    frame: Tensor
    prompt: str
    fps: float
    motion_bucket_id: float


def want_samples(section: SamplesSection, base: Base, data: Data, sizes: list[Size], rows: int) -> list[Wanted]:
    """The clips of a configuration, encoded by the base's encoders on the device that they are on.

    Args:
        sizes: of the run's clips. A sample has `section.size`, or that of the held-out clip that it begins like, or the
            one nearest to its picture's aspect ratio, or else the first.
        rows: temporal rows of the latents.

    Raises:
        UserError: the base cannot make such clips, a picture cannot be read, or nothing is held out.
    """
    if not hasattr(base, "decode"):
        raise UserError("samples: this base cannot decode latents: leave samples out, or give it a `decode`.")
    sizes = [section.size] if section.size else sizes
    for height, width in sizes:
        if height % base.size_multiple or width % base.size_multiple:
            raise UserError(f"samples.size: {height}x{width} is refused: give multiples of {base.size_multiple}.")
    wanted = []
    for index, start in enumerate(_starts(section, base, data, sizes)):
        encoded = encode_for(base, start.frame, start.prompt)
        conditions = base.conditions(_as_cached(encoded), start.fps, start.motion_bucket_id).to("cpu")
        for seed in section.seeds:
            name = f"{index:02}-{_slug(start.label)}" + (f"-seed-{seed}" if len(section.seeds) > 1 else "")
            shape = (rows, *encoded["latents"].shape[1:])
            wanted.append(Wanted(name, start.label, conditions, shape, seed, start.fps))
    return wanted


def held_out_clips(section: SamplesSection, data: Data) -> list[Clip]:
    """The held-out clips that samples begin like, or are compared with.

    Raises:
        UserError: there are more prompts for them than clips.
    """
    if section.prompts is None or not section.begins_held_out:
        return data.held_out[: section.clips]
    if len(section.prompts) > len(data.held_out):
        raise UserError(
            f"samples.prompts: there are {len(section.prompts)}, and {len(data.held_out)} clips are held out: give no "
            "more prompts than clips, or as many pictures."
        )
    return data.held_out[: len(section.prompts)]


def _starts(section: SamplesSection, base: Base, data: Data, sizes: list[Size]) -> list[_Start]:
    if section.prompts is not None and base.tokenizer is None:
        raise UserError("samples.prompts: the base reads no text: give samples.first_frames alone.")
    if section.begins_held_out:
        clips = held_out_clips(section, data)
        captions = section.prompts or [clip.caption or "" for clip in clips]
        return [_of_clip(clip, caption, section, data) for clip, caption in zip(clips, captions, strict=True)]
    fps = section.fps or median(clip.fps for clip in data.training)
    motion = _motion(data.training, data) if section.motion_bucket_id is None else section.motion_bucket_id
    if not isinstance(section.first_frames, list):
        nothing = torch.zeros(1, 3, *sizes[0])
        starts = [_Start(prompt, nothing, prompt, fps, motion) for prompt in section.prompts or []]
        probe = base.conditions(_as_cached(encode_for(base, nothing)), fps, motion)
        if probe.first_frame is not None:
            raise UserError("samples.first_frames: clips of this base begin at a picture: give some, or held_out.")
        return starts
    prompts = section.prompts or [""] * len(section.first_frames)
    return [
        _Start(path.stem, _read_picture(path, sizes), prompt, fps, motion)
        for path, prompt in zip(section.first_frames, prompts, strict=True)
    ]


def _of_clip(clip: Clip, caption: str, section: SamplesSection, data: Data) -> _Start:
    frame = read_clip(clip.path, clip.places[0], 1, section.size or clip.size).float() / 127.5 - 1
    motion = _motion([clip], data) if section.motion_bucket_id is None else section.motion_bucket_id
    label = clip.path.stem + (f"@{clip.start}" if clip.start else "")
    return _Start(f"{label} {caption}".strip(), frame, caption, section.fps or clip.fps, motion)


def _motion(clips: Sequence[Clip], data: Data) -> float:
    """The median motion bucket of some of the clips; 127 in a family that is not told."""
    told = [data.cache.read(clip).conditions.time_ids for clip in clips[:: -(-len(clips) // 16)]]
    return median(float(ids[0, 1]) for ids in told if ids is not None) if told[0] is not None else 127.0


def _read_picture(path: Path, sizes: list[Size]) -> Tensor:
    """A picture resized to cover a size and cropped at the centre, as clips are: (1, 3, height, width) in [-1, 1]."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except OSError as error:
        raise UserError(f"samples.first_frames: {path} is no picture that can be read ({error}).") from error
    size = nearest_size((picture.height, picture.width), sizes)
    fitted = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _as_cached(encoded: dict[str, Tensor]) -> dict[str, Tensor]:
    """As training sees them: kept in half precision."""
    return {name: value.half().float().cpu() for name, value in encoded.items()}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "clip"
