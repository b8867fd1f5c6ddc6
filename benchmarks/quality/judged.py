"""Rows before the truth and before the real clips' features: tables of seeds and clips of every primary measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_eval import load_judges
from exvideo_eval.metrics.frechet import FeatureStatistics
from exvideo_eval.projection import Projection, affordable_dimension
from exvideo_eval.set_distances import frechet
from exvideo_eval.statistics import Clips, Sample
from exvideo_eval.tiny_world.judged import judged_measure
from exvideo_eval.tiny_world.judges import CLASSIFIER, Judges
from exvideo_infer.video_file import read_clip
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.quality.protocol import DISPLACEMENT, FRECHET, PERMANENCE, SHAPE, VELOCITY
from tiny_world.truth.figures import mean_known, median_known
from tiny_world.truth.measured_set import MeasuredSet
from tiny_world.truth.over_seeds import Join, clips_sha256, measure_named, measured, paired_tables, table
from tiny_world.world.clip_files import ClipFile

Array = NDArray[np.float64]

WINDOW, WINDOW_STRIDE = 16, 8  # frames
JUDGED = "judged.safetensors"
_OF = "judged_of"
OF_TRUTH: dict[str, tuple[str, Join]] = {
    DISPLACEMENT: ("displacement error", mean_known),
    VELOCITY: ("velocity error", median_known),
    PERMANENCE: ("permanence", mean_known),
    SHAPE: ("shape right", mean_known),
}


@dataclass(frozen=True)
class Judged:
    """A row as it was judged.

    Attributes:
        truth: its curves.
        features: (clips, windows, dimension).
        motion_right: (clips,) 1 where the judge finds the motion of the clip that was meant likeliest, else 0.
    """

    truth: MeasuredSet
    features: Array
    motion_right: Array


def judge(folder: Path, real: Sequence[ClipFile]) -> Judged:
    """Judges a folder of clips, and keeps what was found beside them.

    Raises:
        ValueError: the folder has not one clip of the name of each real one.
    """
    found = by_judge(folder, real)
    return Judged(measured(folder, real), found["features"], found["motion_right"])


def by_judge(folder: Path, real: Sequence[ClipFile]) -> dict[str, Array]:
    """Answers of the tiny world's judge, kept in a file of the folder until the clips or the judge change.

    Returns:
        `features` (clips, windows, dimension), `motion_right` (clips,).
    """
    path, key = folder / JUDGED, f"{judges_sha256()} {WINDOW} {WINDOW_STRIDE} {clips_sha256(folder, real)}"
    if not (path.exists() and read_safetensors(path)[1].get(_OF) == key):
        clips = [read_clip(folder / clip.path.name) for clip in real]
        found = {"features": np.stack(list(map(_features, clips))), "motion_right": _motion_right(clips, real)}
        write_safetensors(path, {name: torch.from_numpy(values) for name, values in found.items()}, {_OF: key})
    return {name: tensor.numpy() for name, tensor in read_safetensors(path)[0].items()}


def _features(frames: Tensor) -> Array:
    window = min(WINDOW, len(frames))
    starts = range(0, len(frames) - window + 1, WINDOW_STRIDE)
    return np.asarray(_judges().features(torch.stack([frames[start : start + window] for start in starts])))


def _motion_right(clips: Sequence[Tensor], real: Sequence[ClipFile]) -> Array:
    likely = np.concatenate([np.asarray(_judges().classify(frames[None])["motion"]) for frames in clips])
    truths = [f"{clip.spec.motion.kind} {clip.spec.motion.direction}" for clip in real]
    of_clips = Clips(likely, tuple(clip.path.stem for clip in real))
    found = judged_measure("motion", _judges().properties["motion"], of_clips, truths, len(clips[0]))
    right: Array = found.clips.values
    return right


def judges_sha256() -> str:
    """SHA-256 (hex) of the judge that features and motions are told by."""
    return _judges().sha256[CLASSIFIER]


@lru_cache(maxsize=1)
def _judges() -> Judges:
    return load_judges()


def distances(made: Array, real: Array) -> tuple[float, Array]:
    """The Fréchet distance of two sets of clips that are twins, and each clip's part in it.

    Args:
        made, real: features (clips, windows, dimension) of the same clips.

    Returns:
        The squared distance, on the leading axes of the real clips, mean over windows; and (clips,) pseudo-values of
        the jackknife, both twins left out, moved so that their mean is the distance.
    """
    clips, windows, dimension = real.shape
    axes = Projection.fit(
        FeatureStatistics.of(real.reshape(clips * windows, dimension)), affordable_dimension(clips, clips, dimension)
    )
    sets = axes(made), axes(real)
    each = np.arange(clips)
    whole = float(frechet(*(Sample(values, np.ones((1, clips)), each) for values in sets))[0])
    without = frechet(*(Sample(values, 1 - np.eye(clips), each) for values in sets))
    pseudo = clips * whole - (clips - 1) * without
    return whole, pseudo + (whole - pseudo.mean())


def own_table(name: str, rows: Sequence[Judged], real: Array) -> Array:
    """(seeds, clips) of a primary measure.

    Args:
        name: of the measure.
        rows: one a seed.
        real: features of the real clips.
    """
    if name == FRECHET:
        return np.stack([distances(row.features, real)[1] for row in rows])
    of, join = OF_TRUTH[name]
    return table(measure_named(of), [row.truth for row in rows], join)


def paired(name: str, rows: Sequence[Judged], others: Sequence[Judged], real: Array) -> tuple[Array, Array]:
    """The same of two methods, seed by seed, each clip by the frames in which both have a value."""
    if name == FRECHET:
        return own_table(name, rows, real), own_table(name, others, real)
    of, join = OF_TRUTH[name]
    return paired_tables(measure_named(of), [row.truth for row in rows], [row.truth for row in others], join)
