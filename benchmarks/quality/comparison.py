"""One method against another on the primary measures: differences, ratios, and what may be said of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from exvideo_eval import Interval
from numpy.typing import NDArray

from benchmarks.quality.protocol import ALPHA, FRECHET, LEVEL, PRIMARY
from tiny_world.truth.over_seeds import known_in_both
from tiny_world.truth.statistics import holm, mean_interval, p_value, ratio_interval

Array = NDArray[np.float64]

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
WON, NO_WORSE, LOST = "won", "no worse", "lost"
TOO_FEW = "too few seeds"
WINS = 2  # primary measures that have to be better
# Two seeds have a spread of one degree of freedom. Where they happen to agree, chance is found far oftener than the
# level says: `tiny_world.truth.statistics` has how often.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Compared:
    """A primary measure of a method against another's.

    Attributes:
        difference: its mean less the other's, with an interval that is not corrected.
        ratio: its mean over the other's, likewise.
        seeds: of both.
        clips: that both have a value of, for all seeds.
        p, corrected: of a difference of zero, two-sided, alone and after Holm over the primary measures.
        verdict: "better" or "worse" after Holm at the regime's level, of `FEWEST_SEEDS` or more; else "undecided".
        within_margin: True if the interval of the difference leaves no loss of the margin or more.
    """

    difference: float
    difference_interval: Interval
    ratio: float
    ratio_interval: Interval
    seeds: int
    clips: int
    p: float
    corrected: float
    verdict: str
    within_margin: bool


def compare(tables: Mapping[str, tuple[Array, Array]]) -> dict[str, Compared]:
    """All primary measures of a pair of methods, which are corrected together.

    Args:
        tables: of each measure, its (seeds, clips) and the other's; clips without a value are left out.

    Raises:
        ValueError: there are fewer than 2 seeds or, of a measure, than 2 clips of which both have a value.
    """
    sides = {name: known_in_both(*pair) for name, pair in tables.items()}
    for name, (ours, _) in sides.items():
        if ours.shape[1] < 2:
            raise ValueError(f"of {ours.shape[1]} clips both have a {name}, and an interval needs 2")
    p_values = {name: p_value(ours - theirs) for name, (ours, theirs) in sides.items()}
    corrected = holm(p_values)
    return {name: _compared(name, *pair, p_values[name], corrected[name]) for name, pair in sides.items()}


def _compared(name: str, ours: Array, theirs: Array, p: float, corrected: float) -> Compared:
    difference, interval = float((ours - theirs).mean()), mean_interval(ours - theirs, LEVEL)
    is_better = (difference < 0) == (PRIMARY[name].better == "lower")
    is_decided = corrected <= ALPHA and len(ours) >= FEWEST_SEEDS
    verdict = UNDECIDED if not is_decided else BETTER if is_better else WORSE
    ratio = ratio_interval(ours, theirs, LEVEL)
    return Compared(
        difference, interval, float(ours.mean() / theirs.mean()), ratio, len(ours), ours.shape[1], p, corrected,
        verdict, _within_margin(name, interval, ratio),
    )  # fmt: skip


def _within_margin(name: str, difference: Interval, ratio: Interval) -> bool:
    margin = PRIMARY[name].margin
    if name == FRECHET:
        return ratio.high < 1 + margin
    return difference.high < margin if PRIMARY[name].better == "lower" else difference.low > -margin


def overall(compared: Mapping[str, Compared]) -> str:
    """The protocol's word for a pair of methods in a regime: won, no worse, lost, undecided; none of too few seeds."""
    if min(one.seeds for one in compared.values()) < FEWEST_SEEDS:
        return TOO_FEW
    better = [one for one in compared.values() if one.verdict == BETTER]
    others = [one for one in compared.values() if one.verdict != BETTER]
    if len(better) >= WINS and all(one.within_margin for one in others):
        return WON
    if any(one.verdict == WORSE for one in others):
        return LOST
    return NO_WORSE if all(one.within_margin for one in compared.values()) else UNDECIDED
