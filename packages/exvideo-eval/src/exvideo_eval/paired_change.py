"""The difference of a figure between two results whose values clip by clip are known: clips that both have are paired.

What makes one clip easier than another is in both results, and cancels in its pair; what is left has an interval that
is often a tenth as wide as that of two figures taken for strangers.
"""

import math
from collections import defaultdict
from collections.abc import Mapping

from exvideo_eval.result_parts import VALUE, ClipValues, Metric
from exvideo_eval.student import student_quantile
from exvideo_eval.verdict import Change

LEVEL = 0.95  # of figures that have no interval of their own
FEWEST_CLUSTERS = 3


def paired_change(before: Metric, after: Metric, old: ClipValues, new: ClipValues) -> Change | None:
    """The difference by pairs of clips, with an interval by their clusters; None where they give none.

    Of a mean it is the mean difference of the clips that both have. Of pseudo-values, each of which rests on all clips
    of its set, both must have the same clips; the difference is then the figures' own. The interval is Student's, by
    the sums of clusters (Cameron and Miller, 2015, section VI).

    Args:
        before, after: the figure.
        old, new: its values clip by clip.

    Returns:
        None for values of different kinds, pseudo-values of other clips, or fewer than three clusters in common.
    """
    first, second = (dict(zip(values.clips, values.values, strict=True)) for values in (old, new))
    common = [clip for clip in old.clips if clip in second]
    if old.kind != new.kind or (old.kind != VALUE and first.keys() != second.keys()):
        return None
    differences = {clip: second[clip] - first[clip] for clip in common}
    reach = _reach(differences, dict(zip(old.clips, old.clusters, strict=True)), _level(before, after))
    if reach is None:
        return None
    mean = math.fsum(differences.values()) / len(differences)
    difference = mean if old.kind == VALUE else after.value - before.value
    whole = len(common) == len(first) == len(second)
    reason = "" if whole else f"paired by the {len(common)} clips that both have, of {len(first)} and {len(second)}"
    return Change(difference, (difference - reach, difference + reach), reason)


def _reach(differences: Mapping[str, float], clusters: Mapping[str, str], level: float) -> float | None:
    """Half the width of the interval of the mean difference; None for too few clusters."""
    of_cluster: dict[str, list[float]] = defaultdict(list)
    for clip, difference in differences.items():
        of_cluster[clusters[clip]].append(difference)
    count = len(of_cluster)
    if count < FEWEST_CLUSTERS:
        return None
    mean = math.fsum(differences.values()) / len(differences)
    squares = math.fsum((math.fsum(values) - len(values) * mean) ** 2 for values in of_cluster.values())
    error = math.sqrt(count / (count - 1) * squares) / len(differences)
    return student_quantile(0.5 + level / 2, count - 1) * error


def _level(before: Metric, after: Metric) -> float:
    levels = [metric.interval.level for metric in (before, after) if metric.interval is not None]
    return max(levels, default=LEVEL)
