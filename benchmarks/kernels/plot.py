"""The picture of a kernel's result: time over floor against frames, one panel for each direction and width."""

import os
from pathlib import Path

from exvideo_eval import Result
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw(result: Result, path: Path) -> None:
    """Writes the curves of a result, if any, as PNG, to a temporary name first; ours are thick, the floor is 1."""
    names = list(dict.fromkeys(curve.name for curve in result.curves))
    if not names:
        return
    series = list(dict.fromkeys(curve.series for curve in result.curves))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, name in zip(panels, names, strict=False):
        for curve in (curve for curve in result.curves if curve.name == name):
            ours, place = curve.better != "neutral", series.index(curve.series)
            style = {"color": "black", "linewidth": 2.8} if ours else {"color": f"C{place % 10}", "linewidth": 1.2}
            panel.plot(curve.x, curve.y, marker="osv^D"[place % 5], markersize=4, label=curve.series, **style)
        panel.axhline(1, color="grey", linestyle=":")
        panel.set_xscale("log", base=2)
        lengths = sorted({x for curve in result.curves for x in curve.x})
        panel.set_xticks(lengths, [f"{frames:g}" for frames in lengths])
        panel.set_yscale("log")
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("frames")
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    figure.savefig(temporary, format="png", dpi=110)
    os.replace(temporary, path)
