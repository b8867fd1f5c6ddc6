"""The clips that a page shows: the best, the worst and those between, by a measure that the page names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranking:
    """Clips ordered by a measure, best first.

    Args:
        measure: in words, for people.
        order: (name, value) of each clip; no value if they are ordered by their names alone.
    """

    measure: str
    order: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class Example:
    """A clip to be shown: its name, the reason in a word or two ("best", "7 of 24"), and its value if it has one."""

    name: str
    reason: str
    value: float | None


def rank(measure: str, values: Mapping[str, float], better: str, real: float | None = None) -> Ranking:
    """Orders clips by a value each.

    Args:
        values: of the clips by name, at least one.
        better: "lower" or "higher"; for "neutral" the clip is best whose value is nearest to that of real clips.
        real: that value; by ratio where it and all values are positive, else by difference.

    Raises:
        ValueError: a neutral measure without a value of real clips.
    """
    if better in ("lower", "higher"):
        words, key = f"{measure}, {better} is better", {"lower": 1.0, "higher": -1.0}[better]
        distance = {name: key * value for name, value in values.items()}
    elif real is None:
        raise ValueError(f"{measure!r} is neither better low nor high: give the value of the real clips.")
    elif real > 0 and min(values.values()) > 0:
        words = f"{measure}, nearest to the real clips' {real:.4g}"
        distance = {name: abs(math.log(value / real)) for name, value in values.items()}
    else:
        words = f"{measure}, nearest to the real clips' {real:.4g}"
        distance = {name: abs(value - real) for name, value in values.items()}
    order = sorted(values, key=lambda name: (distance[name], name))
    return Ranking(words, tuple((name, values[name]) for name in order))


def choose(ranking: Ranking, count: int) -> list[Example]:
    """Of a ranking, `count` clips that divide it evenly, the best and the worst among them; all if there are fewer."""
    total = len(ranking.order)
    count = min(count, total)
    places = [0] if count == 1 else [round(step * (total - 1) / (count - 1)) for step in range(count)]
    chosen = [(place, *ranking.order[place]) for place in places]
    return [Example(name, _reason(place, total, value is not None), value) for place, name, value in chosen]


def _reason(place: int, total: int, is_ranked: bool) -> str:
    if not is_ranked:
        return f"{place + 1} of {total}"
    names = {0: "best", total - 1: "worst" if total > 1 else "best and worst"}
    if total % 2 and total > 2:
        names[(total - 1) // 2] = "median"
    ordinal = f"{place + 1} of {total}"
    return f"{names[place]} ({ordinal})" if place in names else ordinal
