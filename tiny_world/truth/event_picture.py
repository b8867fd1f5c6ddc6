"""Measures of events by their duration: a column a kind of event, a line a set, with the intervals of drawing clips."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiny_world.truth.event_figures import EventSet, event_figure
from tiny_world.truth.event_measures import EVENT_MEASURES
from tiny_world.truth.picture import REAL_STYLE, SET_STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = ("seen", "timing", "displacement", "displacement_elsewhere", "presence", "presence_elsewhere")


def draw_events(path: Path, real: EventSet, sets: Sequence[EventSet], stride: int | None = None) -> None:
    """Writes a PNG, to a temporary name first; `stride`, frames, is drawn as a line in all panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = real.kinds
    figure = Figure(figsize=(1.2 + 3.3 * len(kinds), 2.1 * len(ROWS)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(ROWS), len(kinds), squeeze=False, sharex=True, sharey="row")
    for row, key in enumerate(ROWS):
        for column, kind in enumerate(kinds):
            axes: Axes = panels[row][column]
            for number, measured in enumerate((real, *sets)):
                style = REAL_STYLE if number == 0 else SET_STYLES[(number - 1) % len(SET_STYLES)]
                _draw_line(axes, key, kind, measured, style)
            axes.set_xticks(sorted({duration for each in kinds for duration in real.durations(each)}))
            _label(axes, key, kind if row == 0 else "", is_first=column == 0, is_last=row == len(ROWS) - 1)
            if stride is not None:
                axes.axvline(stride, color="#888888", linewidth=0.8)
        panels[row][0].set_ylim(bottom=min(0, panels[row][0].get_ylim()[0]))  # once all lines of the row are there
    panels[0][0].legend(fontsize=7)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    figure.savefig(temporary, format="png", dpi=110)
    os.replace(temporary, path)


def _draw_line(axes: "Axes", key: str, kind: str, measured: EventSet, style: tuple[str, object]) -> None:
    measure = next(measure for measure in EVENT_MEASURES if measure.key == key)
    found = {d: event_figure(measured, measure, (kind, d)).metric() for d in measured.durations(kind)}
    known = {duration: metric for duration, metric in found.items() if metric is not None}
    colour, dash = style
    points = list(known), [metric.value for metric in known.values()]
    axes.plot(*points, color=colour, linestyle=dash, marker=".", linewidth=1.6, label=measured.name)
    bounds = {duration: metric.interval for duration, metric in known.items() if metric.interval}
    low, high = ([getattr(interval, end) for interval in bounds.values()] for end in ("low", "high"))
    axes.fill_between(list(bounds), low, high, color=colour, alpha=0.15, linewidth=0)


def _label(axes: "Axes", key: str, title: str, is_first: bool, is_last: bool) -> None:
    measure = next(measure for measure in EVENT_MEASURES if measure.key == key)
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if is_first:
        axes.set_ylabel(f"{measure.name}\n({measure.unit})", fontsize=8)
    if is_last:
        axes.set_xlabel("frames an event", fontsize=8)
    if measure.unit == "share":
        axes.set_ylim(-0.03, 1.03)
