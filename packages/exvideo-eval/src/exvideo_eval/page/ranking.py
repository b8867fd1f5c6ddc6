"""The measure by which a page orders its clips: which can be asked for, and the order by it."""

from collections.abc import Iterable, Mapping, Sequence

from exvideo_eval.clip_measures.catalogue import CLIP_MEASURES
from exvideo_eval.frame_curves import CURVES
from exvideo_eval.long_video_measures import is_of_long_video
from exvideo_eval.measures import REAL
from exvideo_eval.page.examples import Ranking, rank
from exvideo_eval.result_parts import VALUE, ClipValues
from exvideo_eval.results import Result
from exvideo_eval.tiny_world.text_match import RETRIEVAL, SCORE


def require_possible(measure: str, added: Sequence[str] = ()) -> None:
    """Raises ValueError for a measure that no result can have values of clip by clip.

    Args:
        measure: by which clips are to be ordered.
        added: names of the measures that are asked for beside those that all results have.
    """
    quantities = [
        quantity.name for name in added if name in CLIP_MEASURES for quantity in CLIP_MEASURES[name].quantities
    ]
    known = [*(curve.name for curve in CURVES), *quantities, SCORE, RETRIEVAL]
    is_judged = measure.startswith("judged ") and measure.endswith(" right")
    published = set(added) - CLIP_MEASURES.keys()  # whose names tell their networks, which are not known yet
    if not (measure in known or is_of_long_video(measure) or is_judged or published):
        raise ValueError(
            f"No clips have values of {measure!r}: choose one of {', '.join(known)}, or another measure in the report "
            "that is a mean over clips."
        )


def ranking_of(result: Result, names: Iterable[str], measure: str) -> Ranking:
    """The order of a result's clips by the values of one measure; by name where it has values of none.

    Args:
        names: of the clips.

    Raises:
        ValueError: the result has values of other measures, and none of this by which clips can be ordered.
    """
    known = _ranked_by(result)
    if not known:
        return Ranking("name", tuple((name, None) for name in sorted(names)))
    if measure not in known:
        raise ValueError(
            f"The result has no values of {measure!r} clip by clip that tell good from bad: choose one of "
            f"{', '.join(sorted(known))}."
        )
    metric = result.metric(measure)
    values = dict(zip(known[measure].clusters, known[measure].values, strict=True))
    return rank(measure, values, "neutral" if metric is None else metric.better, _of_real(result, measure))


def _ranked_by(result: Result) -> Mapping[str, ClipValues]:
    """Values clip by clip, by measure, of those that are better low or high, or that real clips have, too."""
    found = {item.metric: item for item in result.clip_values if item.kind == VALUE}
    metrics = {name: result.metric(name) for name in found}
    return {
        name: item
        for name, item in found.items()
        if (metric := metrics[name]) and (metric.better != "neutral" or _of_real(result, name) is not None)
    }


def _of_real(result: Result, measure: str) -> float | None:
    """The real clips' own value of a measure: of their mean curve, or the metric that stands beside the set's."""
    of_real = [curve for curve in result.curves if (curve.name, curve.series) == (measure, "real")]
    if of_real:
        return sum(of_real[0].y) / len(of_real[0].y)
    metric = result.metric(measure + REAL)
    return None if metric is None else metric.value
