"""All measures of one set of clips against the real ones, and what they come to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exvideo_eval.clip_set import ClipSet
from exvideo_eval.curve_measures import curve_measures, mean_measure
from exvideo_eval.distance_measures import Distances, distance_curve, if_alike, is_frechet, no_alike
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL
from exvideo_eval.long_video_measures import long_video_measures
from exvideo_eval.measure import Measure
from exvideo_eval.measured_file import Instruments
from exvideo_eval.result_parts import ClipValues, Curve, Metric
from exvideo_eval.statistics import Clips, Resampling
from exvideo_eval.tiny_world.judgement import judge_measures, probabilities_of
from exvideo_eval.tiny_world.variety import at_equal_number, variety_measure

REAL = ", real clips"  # ends the name of a metric of the real clips themselves, which the others are read against
MIN_CLIPS_OF_DISTANCE = 4


@dataclass(frozen=True)
class Measured:
    """The measures of a set, and the metrics, curves, clips' parts and notes that they come to."""

    measures: tuple[Measure, ...]
    metrics: tuple[Metric, ...]
    curves: tuple[Curve, ...]
    clip_values: tuple[ClipValues, ...]
    notes: tuple[str, ...]


def measured(
    clips: ClipSet,
    real: ClipSet,
    instruments: Instruments,
    distances: Distances,
    parts: Sequence[Distances],
    resampling: Resampling,
    seam_every: int | None = None,
) -> Measured:
    """Everything of a set.

    Args:
        distances: from the real clips.
        parts: distances of parts of the clips.
        seam_every: frames between borders of windows or chained clips; None for no such measure.

    Raises:
        ValueError: there are fewer than two clips a dimension, or a clip's truth is none of the judges' classes.
    """
    of_features, notes = _distances(clips, distances)
    notes += dict.fromkeys(note for part in parts for note in part.notes_of(clips.role))
    of_parts = [(item, part) for part in parts for item in part.measures(clips.role)]
    judged, of_real, judge_notes = _judged(clips, real, instruments)
    long, long_of_real = long_video_measures(clips, real, seam_every)
    plain = [(item, None) for item in (*judged, *_of_curves(clips, real), *long)]
    measures = [*((item, distances) for item in of_features), *plain, *of_parts]
    metrics: list[Metric] = []
    values = []
    curves = []
    for item, of_sets in measures:
        metric, of_clips, exchange = item.metric(resampling)
        metrics.append(metric)
        values += [of_clips] if of_clips else []
        if of_sets is not None and is_frechet(item):
            metrics += [*if_alike(item, exchange), *of_sets.shares_of_variance(clips.role)]
            notes += no_alike(item, exchange)
            curves += [] if of_sets.starts is None else [distance_curve(item, of_sets.starts)]
    metrics += [_of_real(item, resampling) for item in (*of_real, *long_of_real)]
    return Measured(
        tuple(item for item, _ in measures), tuple(metrics), tuple(curves), tuple(values), (*notes, *judge_notes)
    )


def _distances(clips: ClipSet, distances: Distances) -> tuple[list[Measure], list[str]]:
    real, found = distances.real, distances.measures(clips.role)
    notes = distances.notes_of(clips.role)
    if distances.axes is not None:
        return found, notes
    fewest = min(clips.num_clips, real.num_clips)
    few = f"No Fréchet distance: too few clips ({fewest}); it needs {MIN_CLIPS_OF_DISTANCE} or more of each set."
    return found, [few, *notes]


def _of_curves(clips: ClipSet, real: ClipSet) -> list[Measure]:
    measures = [
        measure
        for curve in CURVES
        for measure in curve_measures(curve, *(each.of_clips(each.curves[curve.name]) for each in (clips, real)))
    ]
    if clips.curves_to_real:
        for curve in (PSNR_TO_REAL, DIFFERENCE_TO_REAL):
            twins = Clips(clips.curves_to_real[curve.name], clips.twins)
            measures.append(mean_measure(curve, twins, has_ratio=curve is DIFFERENCE_TO_REAL))
    return measures


def _judged(clips: ClipSet, real: ClipSet, instruments: Instruments) -> tuple[list[Measure], list[Measure], list[str]]:
    """Measures of the set, the same of the real clips, which show what these judges can see at all, and notes."""
    judges, num_frames = instruments.judges, instruments.plan.num_frames
    if judges is None:
        return [], [], []
    of_set, notes = judge_measures(clips.judgements, clips.sources, judges, num_frames)
    of_real, real_notes = judge_measures(real.judgements, real.sources, judges, num_frames)
    for name in judges.properties:
        sets = (probabilities_of(each.judgements, each.sources, name) for each in (clips, real))
        for measures, probabilities in zip((of_set, of_real), at_equal_number(*sets), strict=True):
            measures.append(variety_measure(name, probabilities))
    notes += [f"Real clips: {note}" for note in real_notes]
    if not any(judgement.truth for judgement in real.judgements):
        notes.append("The judges know the tiny world alone, and no real clip says that it is of it: do not trust them.")
    return of_set, of_real, notes


def _of_real(measure: Measure, resampling: Resampling) -> Metric:
    """The real clips' metric as a result of generated ones holds it: under another name, neither good nor bad."""
    metric, _, _ = measure.metric(resampling)
    return replace(metric, name=metric.name + REAL, better="neutral", of="real")
