"""Measures of what goes wrong in long clips: drift, repetition, cuts, seams, running back, flicker, standing still.

A figure that a frozen clip would win is neutral: no verdict rests on it. So is one whose best is what real clips have:
where these come back to their first frame, a clip that never does is none the better for it. What falls short of the
real clips has a verdict of its own.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.clip_motions import CHANGES, FLICKER, MOTION, PALINDROME, drift_name
from exvideo_eval.clip_set import ClipSet
from exvideo_eval.curve_measures import RATIO, mean_measure, ratio_to_real
from exvideo_eval.frame_curves import CURVES, FrameCurve
from exvideo_eval.measure import WILSON, Measure, difference_of_means, mean
from exvideo_eval.metrics.cuts import RESOLUTION, cuts, largest_jump
from exvideo_eval.metrics.drift import DISTANCES
from exvideo_eval.metrics.relative_motion import moving
from exvideo_eval.metrics.repetition import is_still, nearest_return
from exvideo_eval.metrics.seam import seam
from exvideo_eval.statistics import Sample

Array = NDArray[np.float64]

TO_FIRST = CURVES[0].name
NEAREST_RETURN, STILL_SHARE = "nearest return to the first frame", "still clips"
SHORTFALL = "shortfall to real"
LARGEST_JUMP, CUTS, SEAM, DYNAMIC = "largest jump", "cuts", "seam", "dynamic degree relative to real"
_DIFFERENCE = "mean absolute difference"


def long_video_measures(
    clips: ClipSet, real: ClipSet, seam_every: int | None = None
) -> tuple[list[Measure], list[Measure]]:
    """The measures of a set, and those of the real clips that they are read against.

    Args:
        seam_every: frames from one border of windows or chained clips to the next; None for no seam.

    Raises:
        ValueError: clips are no longer than that.
    """
    measures = [*_drift(clips, real), *_of_motion(clips, real, FLICKER), _dynamic(clips, real)]
    plain = [_plain(each, seam_every) for each in (clips, real)]
    for ours, theirs in zip(*plain, strict=True):
        measures.append(_tested(ours, theirs))
        if ours.quantity in (NEAREST_RETURN, PALINDROME):
            measures.append(_shortfall(ours, theirs))
    return measures, plain[1]


def is_of_long_video(quantity: str) -> bool:
    """True for a quantity of these measures."""
    own = (FLICKER, DYNAMIC, NEAREST_RETURN, STILL_SHARE, LARGEST_JUMP, CUTS, PALINDROME, SEAM)
    return quantity in (*own, *map(drift_name, DISTANCES))


def _drift(clips: ClipSet, real: ClipSet) -> list[Measure]:
    return [measure for distance in DISTANCES for measure in _of_motion(clips, real, drift_name(distance))]


def _of_motion(clips: ClipSet, real: ClipSet, name: str) -> list[Measure]:
    """Mean, and ratio to the real clips' where these have any; nothing for clips too short for it."""
    if name not in clips.motions:
        return []
    curve = FrameCurve(name, _DIFFERENCE, 0, RESOLUTION)
    first, second = (each.of_clips(each.motions[name]) for each in (clips, real))
    measures = [mean_measure(curve, first)]
    if second.values.mean() > RESOLUTION:
        ratio = ratio_to_real(curve)
        measures.append(Measure(name, RATIO, "ratio", "neutral", ratio, first, second, difference=difference_of_means))
    return measures


def _dynamic(clips: ClipSet, real: ClipSet) -> Measure:
    """Its interval is of the clips at the threshold that these real clips give; that itself is taken as known."""
    found = clips.of_clips(moving(*(each.motions[MOTION][:, 0] for each in (clips, real))))
    return Measure(DYNAMIC, "share", "share", "higher", mean, found, interval=WILSON, is_mean=True)


def _plain(clips: ClipSet, seam_every: int | None) -> list[Measure]:
    """Means over clips of a number of each."""
    to_first, steps = clips.curves[TO_FIRST], clips.motions[CHANGES]
    found = [
        _mean(clips, NEAREST_RETURN, "share of the clip's range", "neutral", _each(nearest_return, to_first)),
        replace(_mean(clips, STILL_SHARE, "share", "lower", _each(is_still, to_first)), interval=WILSON),
        _mean(clips, LARGEST_JUMP, "medians", "neutral", _each(largest_jump, steps)),
        _mean(clips, CUTS, "cuts a clip", "neutral", _each(lambda changes: len(cuts(changes)), steps)),
    ]
    if PALINDROME in clips.motions:
        ratios = clips.motions[PALINDROME][:, 0]
        found.append(_mean(clips, PALINDROME, "difference, backwards over forwards", "neutral", ratios))
    if seam_every is not None:
        found.append(_mean(clips, SEAM, "medians", "neutral", _seams(steps, seam_every)))
    return found


def _seams(steps: Array, every: int) -> Array:
    frames = range(every, steps.shape[1] + 1, every)
    if every < 2 or not frames:
        raise ValueError(f"A seam every {every} frames: give 2 to {steps.shape[1]}, as the clips have frames.")
    return _each(lambda changes: seam(changes, frames), steps)


def _each(of: Callable[[Array], float], rows: Array) -> Array:
    return np.array([float(of(row)) for row in rows])


def _mean(clips: ClipSet, name: str, unit: str, better: str, values: Array) -> Measure:
    return Measure(name, "mean", unit, better, mean, clips.of_clips(values), is_mean=True, has_ratio=False)


def _tested(ours: Measure, theirs: Measure) -> Measure:
    return replace(ours, difference=difference_of_means, tested=lambda: (ours.clips, theirs.clips))


def _shortfall(ours: Measure, theirs: Measure) -> Measure:
    """By how much the mean is below the real clips', 0 where it is not. Of these numbers a still clip has the least."""

    def short(sample: Sample, real: Sample) -> Array:
        return np.maximum(mean(real) - mean(sample), 0.0)

    return replace(
        ours,
        statistic=SHORTFALL,
        better="lower",
        of=short,
        clips_of_real=theirs.clips,
        is_mean=False,
        minimum=0.0,
        difference=difference_of_means,
    )
