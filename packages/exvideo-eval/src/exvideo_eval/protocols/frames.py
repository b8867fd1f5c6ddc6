"""The frames of a file that a protocol looks at."""

import hashlib
from dataclasses import dataclass

import numpy as np

FIRST, RANDOM = "first", "random"
REAL, GENERATED = "real", "generated"


def side_of(role: str) -> str:
    """The side of a comparison that a set is on: "real", or "generated" for every other one."""
    return REAL if role == REAL else GENERATED


@dataclass(frozen=True)
class Frames:
    """Rule by which frames of a file make one clip.

    Args:
        count: of frames; None takes all of the file.
        stride: from one frame that counts to the next.
        real_start, generated_start: "first" begins with the file, "random" at a place uniform over all that fit.
        minimum: frames that the network needs at least, where all of the file are taken.
        equal: all files must give as many frames, as the authors' code stacks them.
    """

    count: int | None
    stride: int = 1
    real_start: str = FIRST
    generated_start: str = FIRST
    minimum: int = 1
    equal: bool = False

    @property
    def span(self) -> int:
        """Frames of the file from the first to the last that counts; the minimum where all are taken."""
        return self.minimum if self.count is None else (self.count - 1) * self.stride + 1

    def start(self, role: str) -> str:
        """The rule of a role, "real" or another."""
        return self.real_start if side_of(role) == REAL else self.generated_start

    def indices(self, role: str, total: int, name: str, seed: int) -> range:
        """Frame indices of a clip in a file of `total` frames.

        A random start is a function of seed, side and the file's name alone: neither the order of the files, nor the
        number of processes or of other files, changes it.

        Raises:
            ValueError: the file is too short; one clause, to stand behind the file's name.
        """
        if total < self.span:
            raise ValueError(f"has {total} frames, fewer than the {self.span} that the protocol takes")
        if self.count is None:
            return range(0, total, self.stride)
        room = total - self.span
        first = _draw(f"{seed} {side_of(role)} {name}", room + 1) if self.start(role) == RANDOM else 0
        return range(first, first + self.span, self.stride)


def _draw(key: str, below: int) -> int:
    digest = hashlib.sha256(key.encode()).digest()
    return int(np.random.Generator(np.random.PCG64(int.from_bytes(digest))).integers(below))
