"""Curves over frame index as inline SVG, each with a line that follows the clips as they play."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from exvideo_eval.result_parts import Curve

WIDTH, HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 26, 34
_TICKS = 4
_ROOM, _LONGEST = 44, 38  # characters of a title and a unit, and of a title, which is bold
# Okabe and Ito's palette, told apart by dash as well.
STYLES = {"real": ("#444444", "2 3"), "baseline": ("#d55e00", "7 4"), "generated": ("#0072b2", "none")}


def chart(name: str, curves: Mapping[str, Curve]) -> str:
    """An SVG element: curves of one name and unit, by series, over the same frame indices.

    The vertical line of class "playhead" is moved by the page's script, which finds the scale in its data-* fields.
    """
    one = next(iter(curves.values()))
    first, last = min(min(curve.x) for curve in curves.values()), max(max(curve.x) for curve in curves.values())
    low, high = _range([value for curve in curves.values() for value in curve.y], from_zero=one.better == "neutral")
    to_x = Scale(first, last, _LEFT, WIDTH - _RIGHT)
    to_y = Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    lines = [_line(who, [(to_x(x), to_y(y)) for x, y in zip(c.x, c.y, strict=True)]) for who, c in curves.items()]
    return "".join(
        [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">',
            _heading(name, one.unit),
            *_grid(low, high, to_y),
            *_frames(first, last, to_x),
            *lines,
            f'<line class="playhead" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" x1="{to_x(first):.1f}" x2="{to_x(first):.1f}"',
            f' data-first="{first:g}" data-last="{last:g}" data-left="{to_x(first):.1f}"',
            f' data-right="{to_x(last):.1f}"></line>',
            f"<title>{escape(name)}, {escape(one.unit)}</title></svg>",
        ]
    )


def _heading(name: str, unit: str) -> str:
    """The name, and the unit beside it where both have room; all of both shows where the pointer rests."""
    shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    heading = f'<text class="title" x="{_LEFT}" y="15">{escape(shown)}</text>'
    if len(name) + len(unit) > _ROOM:
        return heading
    return heading + f'<text class="tick" x="{WIDTH - _RIGHT}" y="15" text-anchor="end">{escape(unit)}</text>'


def _range(values: Sequence[float], from_zero: bool) -> tuple[float, float]:
    """From zero where there is no better or worse, so that a small drift does not look like a large one."""
    low, high = min(values), max(values)
    low = min(low, 0.0) if from_zero else low
    return (low, high) if high > low else (low - 0.5, low + 0.5)


class Scale:
    """A straight line from values to pixels: `low` lies at `start`, `high` at `end`."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start, self.slope = low, start, (end - start) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self.start + self.slope * (value - self.low)


def _line(who: str, points: Sequence[tuple[float, float]]) -> str:
    colour, dash = STYLES[who]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="curve" points="{path}" stroke="{colour}" stroke-dasharray="{dash}"></polyline>'


def _grid(low: float, high: float, to_y: Scale) -> list[str]:
    parts = []
    for value in _round_values(low, high):
        y = to_y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"></line>')
        parts.append(f'<text class="tick" x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{value:.3g}</text>')
    return parts


def _frames(first: float, last: float, to_x: Scale) -> list[str]:
    labels = [
        f'<text class="tick" x="{to_x(frame):.1f}" y="{HEIGHT - _BOTTOM + 13}" text-anchor="middle">{frame:g}</text>'
        for frame in _round_values(first, last)
        if frame == int(frame)
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return [*labels, f'<text class="tick" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">frame index</text>']


def _round_values(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within a range, about `_TICKS` of them."""
    if high <= low:
        return [low]
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    start, end = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(start, end + 1)]
