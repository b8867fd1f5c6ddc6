"""The curves that tell most, by frame index: the truth, what the tracker finds in the real files, and each set."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiny_world.truth.figures import BASE_FRAMES, MEASURES, Measure, mean_known
from tiny_world.truth.measured_set import MeasuredSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = ("displacement", "velocity error", "permanence", "area ratio", "colour error", "shape right")
# Told apart in print and by colour-blind eyes: by dash as well as by colour (Okabe and Ito's palette).
REAL_STYLE = ("#000000", ":")
SET_STYLES = (
    ("#d55e00", "--"),
    ("#0072b2", "-"),
    ("#009e73", "-."),
    ("#cc79a7", (0, (5, 1, 1, 1, 1, 1))),
    ("#e69f00", "--"),
    ("#56b4e9", "-"),
)


def draw(path: Path, real: MeasuredSet, sets: Sequence[MeasuredSet]) -> None:
    """Writes a PNG, to a temporary name first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.8, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(2, 3).flatten(), SHOWN, strict=True):
        measure = next(measure for measure in MEASURES if measure.name == name)
        if name == "displacement":
            truth = mean_known(real.curves["true_displacement"], axis=0)
            axes.plot(truth, color="#999999", linewidth=5, alpha=0.5, label="truth")
        _draw_measure(axes, measure, real, sets)
    figure.axes[0].legend(fontsize=8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    figure.savefig(temporary, format="png", dpi=110)
    os.replace(temporary, path)


def _draw_measure(axes: "Axes", measure: Measure, real: MeasuredSet, sets: Sequence[MeasuredSet]) -> None:
    """One panel; its title says on how many clips a point rests at least and at most, over all sets."""
    counts = []
    for number, measured in enumerate((real, *sets)):
        colour, dash = REAL_STYLE if number == 0 else SET_STYLES[(number - 1) % len(SET_STYLES)]
        values = measure.of(measured.curves)
        axes.plot(mean_known(values, axis=0), color=colour, linestyle=dash, linewidth=1.8, label=measured.name)
        counts += [count for count in np.isfinite(values).sum(axis=0) if count]
    rests_on = f", on {min(counts)} to {max(counts)} clips" if counts else ""
    axes.set_title(f"{measure.name}{rests_on}", fontsize=10)
    axes.set_xlabel("frame index", fontsize=8)
    axes.set_ylabel(measure.unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.axvline(BASE_FRAMES - 0.5, color="#888888", linewidth=0.8)  # where what the base was made for ends
    if measure.unit == "share":
        axes.set_ylim(-0.03, 1.03)
    else:
        axes.set_ylim(bottom=0)
