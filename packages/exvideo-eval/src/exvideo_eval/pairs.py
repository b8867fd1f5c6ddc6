"""Clips of several sets told by the file that they come from: what is a pair, and what is drawn together.

A generated clip is the twin of the real one of its name, without folder's root and ending: `c1.gif` of `c1.mp4`, from
whose first frame it was made. Twins are alike, and so are clips cut from one file: they are drawn together, or every
interval is too wide for twins and too narrow for clips of one file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_UNITS = 3  # with fewer source files of a set, nothing tells how far a number would move with others
WEIGHTS_AT_HAND = 2**20  # of draws x clips: 8 MB, whatever the number of clips


def parts(draws: int, clips: int) -> Iterator[slice]:
    """Draws in parts whose weights (draws, clips) are few enough to be in memory at a time."""
    step = max(1, WEIGHTS_AT_HAND // max(1, clips))
    yield from (slice(first, min(first + step, draws)) for first in range(0, draws, step))


def source_of(file: str) -> str:
    """The name by which a file is paired: "street/c1" of "street/c1.mp4", relative to its set's folder."""
    return PurePosixPath(file).with_suffix("").as_posix()


@dataclass(frozen=True)
class Units:
    """Source files of several sets, drawn whole: a file that two sets have is one unit of both.

    Files that the same sets have are a stratum, of which as many are drawn as there are: twins are one stratum,
    strangers are two. A stratum of fewer than 3 joins the largest.

    Attributes:
        names: source of each unit, stratum after stratum.
        strata: the units of each.
        of_clips: for each set, the unit of each of its clips.
    """

    names: tuple[str, ...]
    strata: tuple[slice, ...]
    of_clips: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, *sources: Sequence[str]) -> "Units":
        """Of each set's clips, by the source of each clip."""
        members = [set(names) for names in sources]
        together: dict[tuple[bool, ...], list[str]] = {}
        for name in dict.fromkeys(name for names in sources for name in names):
            together.setdefault(tuple(name in names for names in members), []).append(name)
        strata = sorted(together.values(), key=len, reverse=True)
        small = [name for stratum in strata[1:] if len(stratum) < MIN_UNITS for name in stratum]
        kept = [strata[0] + small, *(stratum for stratum in strata[1:] if len(stratum) >= MIN_UNITS)]
        ends = np.cumsum([0, *map(len, kept)]).tolist()
        names = tuple(name for stratum in kept for name in stratum)
        number = {name: index for index, name in enumerate(names)}
        of_clips = tuple(np.array([number[name] for name in each], dtype=np.int64) for each in sources)
        return cls(names, tuple(map(slice, ends[:-1], ends[1:])), of_clips)

    @property
    def fewest(self) -> int:
        """The number of units of the set that has the fewest."""
        return min(len(np.unique(units)) for units in self.of_clips)

    def draws(self, resamples: int, seed: int) -> Iterator[tuple[Array, ...]]:
        """For each set, how often each of its clips is drawn, with replacement: (resamples, clips), part after part."""
        generator = np.random.Generator(np.random.PCG64(seed))
        counts = np.zeros((resamples, len(self.names)), dtype=np.int32)
        for stratum in self.strata:
            size = stratum.stop - stratum.start
            for rows in parts(resamples, size):
                drawn = generator.multinomial(size, np.full(size, 1 / size), size=rows.stop - rows.start)
                counts[rows, stratum] = drawn
        for rows in parts(resamples, self._clips):
            yield tuple(counts[rows, units].astype(np.float64) for units in self.of_clips)

    def without_each(self) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Some units of a stratum, with the weights of each set's clips as each of them is left out: (units, clips).

        (1, clips) for a set that has none of them.
        """
        for stratum in self.strata:
            for rows in parts(stratum.stop - stratum.start, self._clips):
                some = slice(stratum.start + rows.start, stratum.start + rows.stop)
                left_out = np.arange(some.start, some.stop)[:, None]
                weights = [(units != left_out).astype(np.float64) for units in self.of_clips]
                yield some, tuple(weight if (weight == 0).any() else weight[:1] for weight in weights)

    @property
    def _clips(self) -> int:
        """Of the set that has the most."""
        return max(map(len, self.of_clips))
