"""Sliding windows: at each step the network sees pieces of its own length, and their answers are blended.

(MultiDiffusion along time: Bar-Tal et al., arXiv 2302.08113; as Gen-L-Video, arXiv 2305.18264, has it.) With noise that
repeats in another order, it is FreeNoise (Qiu et al., arXiv 2310.15169, section 3.2).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from exvideo_blocks import Family
from torch import Tensor

from exvideo_infer.conditions import Conditions
from exvideo_infer.generators import Generators

WEIGHTS = ("pyramid", "flat")
IMAGES = ("first", "none")
NOISES = ("own", "repeated")


@dataclass(frozen=True)
class Windows:
    """Windows over a clip that is longer than one of them.

    Args:
        length: frames of each; None for the length that the network was trained at, or extended to.
        overlap: frames that each shares with the one before; None for half of the length.
        weights: of a window's answers: "pyramid", rising to its middle; or "flat".
        image: what windows after the first are told of the first frame: "first", the same; or "none", its absence: as
            the unconditional half of guidance is told, or, where a first frame is given clean as the clip's own, no
            such frame. The tokens are the same in all.
        noise: "own", drawn for all frames; or "repeated": that of the first window, shuffled for each stride after it.

    Raises:
        ValueError: a choice is unknown, or the overlap is not below the length.
    """

    length: int | None = None
    overlap: int | None = None
    weights: str = "pyramid"
    image: str = "first"
    noise: str = "own"

    def __post_init__(self) -> None:
        for name, choices in (("weights", WEIGHTS), ("image", IMAGES), ("noise", NOISES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"Windows: {name} is {getattr(self, name)!r}: choose from {', '.join(choices)}.")
        if self.length is not None and self.length < 2:
            raise ValueError(f"Windows: length is {self.length}: give at least 2 frames.")
        if self.overlap is not None and not 0 <= self.overlap < (self.length or self.overlap + 1):
            raise ValueError(f"Windows: overlap is {self.overlap}: give less than the length, from 0 on.")

    @classmethod
    def free_noise(cls, length: int | None = None, overlap: int | None = None) -> "Windows":
        """FreeNoise: windows over repeated noise."""
        return cls(length, overlap, noise="repeated")

    def of_length(self, length: int) -> "Windows":
        """These windows with what was left open, for a network of this length; raises ValueError as the class."""
        whole = self.length or length
        return replace(self, length=whole, overlap=whole // 2 if self.overlap is None else self.overlap)

    def starts(self, num_frames: int) -> list[int]:
        """The first frame of each window over a clip; the last one ends with it."""
        assert self.length is not None
        assert self.overlap is not None
        if num_frames <= self.length:
            return [0]
        starts = list(range(0, num_frames - self.length, self.length - self.overlap))
        return [*starts, num_frames - self.length]

    def evaluations(self, num_frames: int) -> int:
        """Evaluations of the network that one step takes, where directly it takes one."""
        return len(self.starts(num_frames))

    def noise_of(self, noise: Tensor, generator: Generators) -> Tensor:
        """Noise (batch, frames, ...) as these windows begin with it."""
        if self.noise == "own" or noise.shape[1] <= (self.length or 0):
            return noise
        assert self.length is not None
        assert self.overlap is not None
        made = noise.clone()
        stride = self.length - self.overlap
        for start in range(self.length, noise.shape[1], stride):
            count = min(stride, noise.shape[1] - start)
            for clip in range(len(noise)):
                own = generator[clip] if isinstance(generator, list) else generator
                device = "cpu" if own is None else own.device
                order = torch.randperm(stride, generator=own, device=device)[:count].to(noise.device)
                made[clip, start : start + count] = made[clip, start - self.length + order]
        return made


class WindowedFamily:
    """A family whose networks are asked window by window; all else is the family's own.

    Args:
        family: of the network.
        windows: complete, as `Windows.of_length` gives them.
    """

    def __init__(self, family: Family, windows: Windows) -> None:
        self._family, self._windows = family, windows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
        """The weighted mean of the answers of all windows, as `Family.call`."""
        frames = model_input.shape[1]
        if len(self._windows.starts(frames)) == 1:
            return self._family.call(network, model_input, time, conditions)
        total = torch.zeros(0, device=model_input.device)
        weight = torch.zeros(frames, device=model_input.device)
        for start, share, told in self._parts(frames, conditions):
            part = slice(start, start + len(share))
            share = share.to(model_input.device)
            answer = self._family.call(network, model_input[:, part], time, told).float()
            if not total.numel():
                total = torch.zeros(*model_input.shape[:2], *answer.shape[2:], device=answer.device)
            total[:, part] += answer * share.view(-1, *[1] * (answer.ndim - 2))
            weight[part] += share
        return (total / weight.view(-1, *[1] * (total.ndim - 2))).to(model_input.dtype)

    def _parts(self, frames: int, conditions: Conditions) -> Iterator[tuple[int, Tensor, Conditions]]:
        windows = self._windows
        assert windows.length is not None
        place = torch.arange(windows.length)
        rising = torch.minimum(place + 1, windows.length - place).float()
        share = rising if windows.weights == "pyramid" else torch.ones(windows.length)
        later = conditions.without_first_frame() if windows.image == "none" else conditions
        for start in windows.starts(frames):
            yield start, share, later if start else conditions
