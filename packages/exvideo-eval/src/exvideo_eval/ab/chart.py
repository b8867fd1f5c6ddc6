"""A chart of times in plain text, which every terminal and every job summary shows."""

from collections.abc import Mapping, Sequence
from statistics import median

WIDTH = 60


def strip_chart(title: str, seconds: Mapping[str, Sequence[float]]) -> str:
    """One line a side, all to one scale that begins at the fastest: a dot for each round, a bar at the median.

    Args:
        title: of the chart.
        seconds: side -> seconds a call, one a round.
    """
    everything = [value for values in seconds.values() for value in values]
    low, high = min(everything), max(everything)
    span = high - low or low or 1.0
    width = max(map(len, seconds))
    lines = [f"{title}: {in_words(low)} to {in_words(high)}"]
    for side, values in seconds.items():
        cells = [" "] * WIDTH
        for value in values:
            cells[_column(value, low, span)] = "·"
        cells[_column(median(values), low, span)] = "|"
        lines.append(f"  {side:<{width}} {''.join(cells)} {in_words(median(values))}")
    return "\n".join(line.rstrip() for line in lines)


def in_words(seconds: float) -> str:
    """Seconds with three digits, in the unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _column(value: float, low: float, span: float) -> int:
    return round((value - low) / span * (WIDTH - 1))
