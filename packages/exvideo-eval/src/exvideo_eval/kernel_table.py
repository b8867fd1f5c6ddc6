"""Kernels of every two clips of some sets, and unbiased distances by them, in memory that does not grow with the sets.

Thousands of clips have more features than fit, and more pairs. So features are read block by block, a tile of kernels
of two blocks is computed when it is first asked for, and lies in a temporary file from then on: intervals and tests ask
for each thousands of times.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.metrics.kernel_distance import polynomial_kernel
from exvideo_eval.statistics import Sample

Array = NDArray[np.float64]
Kernel = Callable[[Array, Array], Array]

_BLOCK_BYTES, _BLOCK_CLIPS = 16 * 2**20, 512


def inner_product(x: Array, y: Array) -> Array:
    """x.y of each x (n, dimension) with each y (m, dimension): the distance by it is the squared shift of the mean."""
    return polynomial_kernel(x, y, degree=1, gamma=1.0, coef0=0.0)


class KernelTable:
    """The kernels of clips that are told by their places: samples of them have places (clips,) for values.

    Args:
        sets: by role, the features (windows, dimension) of each clip, of all as many windows.
        kernel: from features (n, dimension) and (m, dimension) to (n, m).
        part: of features (windows, dimension), that the kernel is of; all by default.
    """

    def __init__(
        self,
        sets: Mapping[str, Sequence[Array]],
        kernel: Kernel = polynomial_kernel,
        part: Callable[[Array], Array] | None = None,
    ) -> None:
        self._sets, self._kernel, self._part = dict(sets), kernel, part
        windows, dimension = next(iter(self._sets.values()))[0].shape
        self.windows, self.dimension = int(windows), int(dimension)
        self._step = min(_BLOCK_CLIPS, max(1, _BLOCK_BYTES // (8 * self.windows * self.dimension)))
        self._blocks = [
            (role, range(start, min(start + self._step, len(clips))))
            for role, clips in self._sets.items()
            for start in range(0, len(clips), self._step)
        ]
        self._starts = np.cumsum([0, *(len(numbers) for _, numbers in self._blocks)])
        self._tiles: dict[tuple[int, int], int] = {}  # where in the file
        self._file = TemporaryFile(prefix="exvideo-eval-")  # noqa: SIM115 - it lives as long as the table
        finalize(self, self._file.close)
        self._read: dict[int, Array] = {}  # the features of the last two blocks

    def places(self, role: str) -> Array:
        """Of the set's clips: whole numbers."""
        first = next(number for number, (of, _) in enumerate(self._blocks) if of == role)
        return self._starts[first] + np.arange(len(self._sets[role]), dtype=np.float64)

    def distance(self, first: Sample, second: Sample) -> Array:
        """Squared maximum mean discrepancy (draws,), mean over windows; may be negative.

        Unbiased for twins too: pairs of clips from one source file are left out, whichever sets they are of. So each
        set must have clips of two.
        """
        sides = ((first, first, 1), (second, second, 1), (first, second, -2))
        parts = [factor * self._mean(one, two) for one, two, factor in sides]
        self._read.clear()
        total: Array = sum(parts[1:], parts[0])
        return total

    def _mean(self, one: Sample, two: Sample) -> Array:
        """(draws,): the mean kernel of clips of two sources, over windows too: it is linear in the kernel's values."""
        total, count = np.zeros(1), np.zeros(1)
        places = [sample.values.astype(np.int64) for sample in (one, two)]
        for row, rows in self._by_block(places[0]):
            for column, columns in self._by_block(places[1]):
                strangers = (one.units[rows, None] != two.units[columns]).astype(np.float64)
                inside = np.ix_(places[0][rows] - self._starts[row], places[1][columns] - self._starts[column])
                weights = one.weights.take(rows, axis=1), two.weights.take(columns, axis=1)
                forms = self._tile(row, column)[inside] * strangers, strangers
                sums = [((weights[0] @ form) * weights[1]).sum(axis=1) for form in forms]
                total, count = total + sums[0], count + sums[1]
        mean: Array = total / count / self.windows
        return mean

    def _by_block(self, places: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Each block that has some of the places, and which of them."""
        blocks = np.searchsorted(self._starts, places, side="right") - 1
        for block in np.unique(blocks):
            yield int(block), np.flatnonzero(blocks == block)

    def _tile(self, row: int, column: int) -> Array:
        """Kernels of the clips of two blocks (n, m), summed over windows."""
        if row > column:
            return self._tile(column, row).T
        shape = len(self._blocks[row][1]), len(self._blocks[column][1])
        if (row, column) not in self._tiles:
            one = self._features(row)
            two = one if row == column else self._features(column)
            kernels = (self._kernel(one[:, window], two[:, window]) for window in range(self.windows))
            tile = sum(kernels, np.zeros(shape))
            self._tiles[row, column] = self._file.seek(0, 2)
            self._file.write(tile.tobytes())
            return tile
        self._file.seek(self._tiles[row, column])
        return np.frombuffer(self._file.read(8 * shape[0] * shape[1])).reshape(shape)

    def _features(self, block: int) -> Array:
        """(clips, windows, dimension)"""
        found = self._read.pop(block, None)
        if found is None:
            while len(self._read) > 1:
                del self._read[next(iter(self._read))]
            role, numbers = self._blocks[block]
            clips = (self._sets[role][number] for number in numbers)
            found = np.stack([clip if self._part is None else self._part(clip) for clip in clips])
        self._read[block] = found
        return found
