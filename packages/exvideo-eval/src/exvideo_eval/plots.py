"""The report's picture: every curve over frames, real, baseline and generated together, and the distances as bars."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from exvideo_eval.distance_measures import FRECHET
from exvideo_eval.result_parts import Curve
from exvideo_eval.results import Result
from exvideo_eval.suite import Evaluation
from exvideo_eval.whole_file import replacing

# Told apart in print and by colour-blind eyes: by dash as well as by colour (Okabe and Ito's palette).
_STYLES = {"real": ("#000000", ":"), "baseline": ("#d55e00", "--"), "generated": ("#0072b2", "-")}
_COLUMNS = 3
_BAR = 0.6  # width, of the places of two bars


def draw(evaluation: Evaluation, path: Path) -> None:
    """Write the picture as PNG, to a temporary name first."""
    results = {"generated": evaluation.generated}
    if evaluation.baseline is not None:
        results = {"baseline": evaluation.baseline, **results}
    lines = _lines_by_name(results)
    distances = [metric.name for metric in evaluation.generated.metrics if metric.name.startswith(FRECHET)][:1]
    rows = -(-(len(lines) + len(distances)) // _COLUMNS)
    figure = Figure(figsize=(4.6 * _COLUMNS, 3.1 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes in grid[len(lines) + len(distances) :]:
        axes.set_axis_off()
    free = iter(grid)
    for name in distances:
        draw_bars(next(free), name, results)
    for name, curves in lines.items():
        _draw_lines(next(free), name, curves)
    grid[len(distances)].legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _lines_by_name(results: dict[str, Result]) -> dict[str, dict[str, Curve]]:
    """Curve name -> who -> curve; the real curve once, as both results hold the same one."""
    lines: dict[str, dict[str, Curve]] = {}
    for who, result in results.items():
        for curve in result.curves:
            lines.setdefault(curve.name, {})["real" if curve.series == "real" else who] = curve
    return lines


def _draw_lines(axes: Axes, name: str, curves: dict[str, Curve]) -> None:
    for who, curve in curves.items():
        colour, dash = _STYLES[who]
        axes.plot(curve.x, curve.y, color=colour, linestyle=dash, linewidth=1.8, label=who)
    one = next(iter(curves.values()))
    axes.set_title(name.replace(", ", "\n", 1), fontsize=10)
    axes.set_xlabel(one.x_name, fontsize=8)
    axes.set_ylabel(one.unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if one.better == "neutral":  # from zero, so that a small drift does not look like a large one
        axes.set_ylim(0, 1.1 * max(max(curve.y) for curve in curves.values()) or 1)


def draw_bars(axes: Axes, name: str, results: dict[str, Result]) -> None:
    """Draws a Fréchet distance of each set with its interval, and on its bar what it would be of a set that is alike.

    That changes with the set: its clips and the real ones are what chance exchanges.
    """
    bars = {who: metric for who, result in results.items() if (metric := result.metric(name))}
    for place, (who, metric) in enumerate(bars.items()):
        axes.bar(place, metric.value, width=_BAR, color=_STYLES[who][0])
        if metric.interval:
            axes.vlines(place, metric.interval.low, metric.interval.high, color="#555555", linewidth=2)
        axes.annotate(
            f"{metric.value:.3g}", (place, metric.value), xytext=(4, 3), textcoords="offset points", fontsize=9
        )
    alike = {place: m.value for place, who in enumerate(bars) if (m := results[who].metric(f"{name}, if alike"))}
    if alike:
        left, right = [place - _BAR / 2 for place in alike], [place + _BAR / 2 for place in alike]
        label = "if it and the real clips were alike"
        axes.hlines([*alike.values()], left, right, color="#000000", linestyle=":", linewidth=1.8, label=label)
        axes.legend(fontsize=8)
    axes.set_xticks(range(len(bars)), [f"{who} ({metric.n} clips)" for who, metric in bars.items()], fontsize=9)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    dimension = next(iter(bars.values())).dimension
    title, _, features = name.partition(", ")
    axes.set_title(f"{title}, lower is better\n{features}, dimension {dimension}", fontsize=10)
    axes.tick_params(axis="y", labelsize=8)
