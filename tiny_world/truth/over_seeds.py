"""Sets of clips, one a seed of their noise, as tables of (seeds, clips), and the means and ratios of these.

A clip takes part in a mean if it has a value for every seed; in a comparison, if it has one for every seed of both
sides, by the frames in which both have one. The first frame is given, and in no figure.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_eval import Interval, Metric
from numpy.typing import NDArray
from torch import from_numpy

from tiny_world.truth.figures import MEASURES, Measure, mean_known
from tiny_world.truth.measured_set import MeasuredSet, measure
from tiny_world.truth.report import files_sha256
from tiny_world.truth.statistics import mean_interval, ratio_interval
from tiny_world.world.clip_files import ClipFile

Array = NDArray[np.float64]
Join = Callable[[Array, int], Array]  # of frames: `mean_known` or `median_known`

TURNS = "turn timing error"
CURVES = "curves.safetensors"
# Modules that decide a clip's curves: what they found before they changed is found anew.
_DECIDING = ("measured_set", "measures", "tracker", "subject", "strangers", "bodies", "pooling", "presence")
_OF = "measured_of"


def measured(folder: Path, real: Sequence[ClipFile]) -> MeasuredSet:
    """A folder of clips as the tracker sees it, kept in a file beside them until they or the tracker change.

    Raises:
        ValueError: as `tiny_world.truth.measured_set.measure`.
    """
    path, names = folder / CURVES, tuple(clip.path.name for clip in real)
    if not _is_of(path, key := f"{_tracker_sha256()} {clips_sha256(folder, real)}"):
        found = measure(folder.name, folder, real)
        tensors = {name: from_numpy(values) for name, values in found.curves.items()}
        tensors |= {TURNS: from_numpy(found.turn_error)}
        write_safetensors(path, tensors, {_OF: key})
    curves = {name: tensor.numpy() for name, tensor in read_safetensors(path)[0].items()}
    turns = curves.pop(TURNS)
    return MeasuredSet(folder.name, folder, names, curves["displacement"].shape[1], curves, turns)


def clips_sha256(folder: Path, real: Sequence[ClipFile]) -> str:
    """SHA-256 (hex) of the files of a folder that have the names of real clips, and of these; of those that are there.

    A file that is missing is for `measure` to tell.
    """
    folders = dict.fromkeys((folder, *(clip.path.parent for clip in real)))
    names = [clip.path.name for clip in real]
    return " ".join(files_sha256(one, [name for name in names if (one / name).exists()]) for one in folders)


def _is_of(path: Path, key: str) -> bool:
    return path.exists() and read_safetensors(path)[1].get(_OF) == key


@lru_cache(maxsize=1)
def _tracker_sha256() -> str:
    return files_sha256(Path(__file__).parent, [f"{module}.py" for module in _DECIDING])


def measure_named(name: str) -> Measure:
    """A measure of `tiny_world.truth.figures.MEASURES`."""
    return next(measure for measure in MEASURES if measure.name == name)


def table(of: Measure, sets: Sequence[MeasuredSet], join: Join = mean_known) -> Array:
    """(seeds, clips): a measure's frames after the first, joined; NaN for a clip that has nothing to say."""
    return np.stack([join(of.of(one.curves)[:, 1:], 1) for one in sets])


def paired_tables(
    of: Measure, sets: Sequence[MeasuredSet], others: Sequence[MeasuredSet], join: Join = mean_known
) -> tuple[Array, Array]:
    """The same of two sides, seed by seed, each clip by the frames in which both have a value."""
    sides: tuple[list[Array], list[Array]] = ([], [])
    for one, other in zip(sets, others, strict=True):
        ours, theirs = (of.of(known.curves)[:, 1:] for known in (one, other))
        in_both = np.isfinite(ours) & np.isfinite(theirs)
        for side, curve in zip(sides, (ours, theirs), strict=True):
            side.append(join(np.where(in_both, curve, np.nan), 1))
    return np.stack(sides[0]), np.stack(sides[1])


def ways_gone(one: MeasuredSet) -> tuple[Array, Array]:
    """All the way that was gone, and that should have been, a clip."""
    gone, true = (one.curves[name][:, 1:] for name in ("displacement", "true_displacement"))
    known = np.isfinite(gone) & np.isfinite(true)
    totals = [np.where(known.any(axis=1), np.where(known, way, 0.0).sum(axis=1), np.nan) for way in (gone, true)]
    return totals[0], totals[1]


def known_in_both(values: Array, others: Array) -> tuple[Array, Array]:
    """Two tables of the clips that have a value for all seeds in both."""
    known = (np.isfinite(values) & np.isfinite(others)).all(axis=0)
    return values[:, known], others[:, known]


def mean_metric(name: str, unit: str, better: str, values: Array) -> Metric:
    """The mean of a table, with its interval if there are seeds and clips to draw."""
    known = values[:, np.isfinite(values).all(axis=0)]
    interval = mean_interval(known) if _is_enough(known) else None
    return Metric(name, float(known.mean()), unit, better, n=known.shape[1], interval=interval)


def ratio_metric(name: str, better: str, values: Array, others: Array) -> Metric:
    """The ratio of the means of two tables, likewise."""
    sides = known_in_both(values, others)
    interval: Interval | None = ratio_interval(*sides) if _is_enough(sides[0]) else None
    value = float(sides[0].mean() / sides[1].mean())
    return Metric(name, value, "ratio", better, n=sides[0].shape[1], interval=interval)


def _is_enough(values: Array) -> bool:
    """True if there are seeds and clips to draw: the real files are one set."""
    return min(values.shape) > 1
