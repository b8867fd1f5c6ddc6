"""Ways in which frames are made of first frames, captions and noise, by the public calls of exvideo-infer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Protocol

import numpy as np
import torch
from exvideo_infer import Windows
from exvideo_infer.beyond import between_keyframes
from exvideo_infer.beyond.keyframes import keyframe_rate, keyframes_of
from exvideo_infer.video_file import read_clip
from numpy.typing import NDArray
from PIL import Image

from tiny_world.world.clip_files import ClipFile
from tiny_world.world.spec import FPS

Frames = NDArray[np.uint8]  # (frames, height, width, 3), 0 to 255

BASE_FRAMES = 8
STEPS = 12  # the embedded model's own
TRAINED_STRIDES = (1, 2, 5)  # of the frames that the base saw: it is told 8, 4 or 1.6 a second


@dataclass(frozen=True)
class Batch:
    """Clips that are to be made.

    Args:
        clips: the real ones, whose first frames and captions are given.
        seeds: of the noise, one a clip.
    """

    clips: tuple[ClipFile, ...]
    seeds: tuple[int, ...]

    @cached_property
    def images(self) -> list[Image.Image]:
        """First frames as they come back from their files."""
        return [first_frame(clip) for clip in self.clips]

    @property
    def generators(self) -> list[torch.Generator]:
        """New ones at each call: every method begins with the same draws."""
        return [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def told(self, steps: int) -> dict[str, Any]:
        """Arguments of a pipeline's call, for all clips at once."""
        return {
            "image": self.images,
            "prompt": [clip.caption for clip in self.clips],
            "generator": self.generators,
            "num_inference_steps": steps,
        }

    def one_by_one(self, steps: int) -> list[dict[str, Any]]:
        """The same, for each clip alone."""
        clips = zip(self.images, self.clips, self.generators, strict=True)
        return [
            {"image": image, "prompt": clip.caption, "generator": generator, "num_inference_steps": steps}
            for image, clip, generator in clips
        ]


class Make(Protocol):
    """Makes the clips of a batch."""

    def __call__(self, pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
        """One clip of `num_frames` for each of the batch, by a pipeline that its method has prepared."""


def first_frame(clip: ClipFile) -> Image.Image:
    """A clip's first frame, as it comes back from its file."""
    return Image.fromarray(read_clip(clip.path, num_frames=1)[0].permute(1, 2, 0).numpy())


def whole(pipe: Any, batch: Batch, num_frames: int, steps: int, **arguments: Any) -> list[Frames]:
    """All frames at once; `arguments` are the pipeline's."""
    made = pipe(num_frames=num_frames, output_type="pt", **batch.told(steps), **arguments).frames
    return list((made.float() * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).numpy())


def told_slow(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
    """All frames at once, the network being told a rate at which its own eight frames would last as long."""
    return whole(pipe, batch, num_frames, steps, fps=FPS * (BASE_FRAMES - 1) / (num_frames - 1))


def held(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
    """Keyframes, each held until the next."""
    every = keyframe_stride(num_frames)
    rate = keyframe_rate(FPS, num_frames, every)
    keys = whole(pipe, batch, keyframes_of(num_frames, every), steps, fps=rate)
    return [np.repeat(clip, every, axis=0)[:num_frames] for clip in keys]


def interpolated(
    pipe: Any, batch: Batch, num_frames: int, steps: int, interpolator: str, every: int | None = None
) -> list[Frames]:
    """Keyframes, and frames between them; `every` is None for `keyframe_stride`."""
    stride = keyframe_stride(num_frames) if every is None else every
    clips = (
        between_keyframes(pipe, num_frames, stride, fps=FPS, interpolator=interpolator, **told)
        for told in batch.one_by_one(steps)
    )
    return [np.stack(list(clip)) for clip in clips]


def eight_keyframes(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
    """RIFE between no more keyframes than the base has frames, as far as a rate of 1 a second allows."""
    return interpolated(pipe, batch, num_frames, steps, "rife", eight_keyframe_stride(num_frames))


def chained(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
    """Clips of the model's own length, each from the last frame of the one before: `chain`, for all clips at once."""
    told = batch.told(steps)
    clips: list[list[Image.Image]] = [[] for _ in batch.clips]
    while len(clips[0]) < num_frames:
        begun = min(len(clips[0]), 1)  # a clip after the first makes one frame again
        length = min(pipe.default_num_frames, num_frames - len(clips[0]) + begun)
        made = pipe(num_frames=length, output_type="pil", **told).frames
        for clip, more in zip(clips, made, strict=True):
            clip += more[begun:]
        told["image"] = [clip[-1] for clip in clips]
    return [np.stack([np.asarray(frame) for frame in clip]) for clip in clips]


def in_windows(pipe: Any, batch: Batch, num_frames: int, steps: int, windows: Windows) -> list[Frames]:
    """Windows of the base's own length, their answers blended at each step."""
    return whole(pipe, batch, num_frames, steps, windows=windows)


def keyframe_stride(num_frames: int) -> int:
    """The least of the base's own strides that leaves no more keyframes than its frames and one, else the largest."""
    few = [stride for stride in TRAINED_STRIDES if keyframes_of(num_frames, stride) <= BASE_FRAMES + 1]
    return few[0] if few else TRAINED_STRIDES[-1]


def eight_keyframe_stride(num_frames: int) -> int:
    """The stride at which eight keyframes span a clip, or the largest of which there is one a second."""
    return min(ceil((num_frames - 1) / (BASE_FRAMES - 1)), int(FPS))


def frames_of_chain(num_frames: int, length: int = BASE_FRAMES) -> int:
    """The frames of all clips of a chain: each clip after the first makes one again."""
    return num_frames + ceil((num_frames - 1) / (length - 1)) - 1


def frames_of_windows(num_frames: int, length: int = BASE_FRAMES) -> int:
    """The frames of all windows of one step."""
    return min(length, num_frames) * Windows().of_length(length).evaluations(num_frames)


def keys_of_real(clips: Sequence[ClipFile], num_frames: int, every: int) -> list[Frames]:
    """Keyframes of the real clips, those beyond their ends too, as the world renders them."""
    from tiny_world.world.render import render

    count = keyframes_of(num_frames, every)
    return [render(clip.spec, (count - 1) * every + 1)[::every] for clip in clips]


def between_real(pipe: Any, batch: Batch, num_frames: int, steps: int) -> list[Frames]:
    """RIFE between the keyframes of the real clips: the most that keyframes can come to."""
    from exvideo_infer.beyond.interpolation import load_interpolator

    between = load_interpolator("rife")
    every = keyframe_stride(num_frames)
    places = torch.arange(1, every) / every
    clips = []
    for keys in keys_of_real(batch.clips, num_frames, every):
        pictures = torch.from_numpy(keys).permute(0, 3, 1, 2).float() / 255
        frames = [keys[:1]]
        for before, after, last in zip(pictures[:-1], pictures[1:], keys[1:], strict=True):
            first, second = (picture.expand(len(places), -1, -1, -1) for picture in (before, after))
            made = (between(first, second, places) * 255).round().to(torch.uint8)
            frames += [made.permute(0, 2, 3, 1).numpy(), last[None]]
        clips.append(np.concatenate(frames)[:num_frames])
    return clips
