"""The share of the gain that few trained parameters keep: rows by how much of the network they train."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from benchmarks.quality.files import write_figure
from benchmarks.quality.protocol import PRIMARY

Found = Mapping[str, Any]

ERRORS = tuple(name for name, of in PRIMARY.items() if of.better == "lower")  # of which there is a gain to keep
SHARE_KEPT, SHARE_TRAINED = 0.8, 0.02  # what a small level is asked to keep, and to train at most
START = "spread"  # the extension that post-tuning begins with, of which nothing has been trained
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # percent; the first stands for none
MARKERS = ("o", "s", "^")
LOWEST, HIGHEST = -0.5, 1.45  # of what is drawn: what lies below is told by its number


def rows_of_frontier(found: Found) -> list[tuple[float, Mapping[str, Any]]]:
    """The rows that train anything and have a gain to tell, and the start that trains nothing.

    Each with the share of the network's parameters that it trains; those that train most are first.
    """
    of_base = found["protocol"]["base_parameters"]
    shares = [
        (row["trained_parameters"] / of_base, row)
        for name, row in found["methods"].items()
        if row.get("gain_kept") and (row["trained_parameters"] or name == START)
    ]
    return sorted(shares, key=lambda one: one[0], reverse=True)


def draw(path: Path, found: Found) -> None:
    """Writes a PNG: the share of each gain that a row keeps, with its interval, against the share that it trains."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = rows_of_frontier(found)
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, (measure, marker) in enumerate(zip(ERRORS, MARKERS, strict=True)):
        beside = 1 + 0.06 * (place - 1)  # so that intervals of one row do not lie on each other
        trained = [_place(share) * beside for share, _ in rows]
        gains = [row["gain_kept"][measure] for _, row in rows]
        kept = np.array([gain["value"] for gain in gains])
        low, high = np.array([gain["interval"] or [gain["value"]] * 2 for gain in gains]).T
        axes.errorbar(trained, kept, yerr=(kept - low, high - kept), fmt=marker, capsize=3, label=measure)
        for at, value in zip(trained, kept, strict=True):
            if value < LOWEST:
                axes.annotate(f"{value:.1f}", (at, LOWEST), (at, LOWEST + 0.15), arrowprops={"arrowstyle": "->"})
    for share, row in rows:
        title = fill(row["title"].replace("`", ""), 20)
        axes.annotate(title, (_place(share), HIGHEST - 0.02), ha="center", va="top", fontsize=8)
    axes.axhline(SHARE_KEPT, color="#999999", linewidth=0.8)
    axes.axvline(100 * SHARE_TRAINED, color="#999999", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, ["none", *(f"{tick:g}" for tick in TICKS[1:])], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlim(TICKS[0] / 2, TICKS[-1])
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_xlabel("trained parameters, % of the network's")
    axes.set_ylabel("share of the whole recipe's gain over running directly")
    figure.legend(loc="outside upper center", ncols=len(ERRORS), fontsize=8)
    write_figure(path, figure)


def _place(share: float) -> float:
    """Percent; on an axis of logarithms nothing has a place of its own."""
    return 100 * share if share else TICKS[0]
