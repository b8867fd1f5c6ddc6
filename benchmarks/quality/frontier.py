"""The share of the gain that few trained parameters keep: rows by how much of the network they train."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.protocol import PRIMARY

Found = Mapping[str, Any]

ERRORS = tuple(name for name, of in PRIMARY.items() if of.better == "lower")  # of which there is a gain to keep
SHARE_KEPT, SHARE_TRAINED = 0.8, 0.02  # what a small level is asked to keep, and to train at most
MARKERS = ("o", "s", "^")


def rows_of_frontier(found: Found) -> list[tuple[float, Mapping[str, Any]]]:
    """The rows that train anything and have a gain to tell, with the share of the network's parameters that they train.

    Those that train most are first.
    """
    of_base = found["protocol"]["base_parameters"]
    trained = [row for row in found["methods"].values() if row.get("gain_kept") and row["trained_parameters"]]
    shares = [(row["trained_parameters"] / of_base, row) for row in trained]
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
        trained = [100 * share * beside for share, _ in rows]
        gains = [row["gain_kept"][measure] for _, row in rows]
        kept = np.array([gain["value"] for gain in gains])
        low, high = np.array([gain["interval"] or [gain["value"]] * 2 for gain in gains]).T
        axes.errorbar(trained, kept, yerr=(kept - low, high - kept), fmt=marker, capsize=3, label=measure)
    for share, row in rows:
        axes.annotate(row["title"], (100 * share, 0.02), rotation=90, ha="right", va="bottom", fontsize=8)
    axes.axhline(SHARE_KEPT, color="#999999", linewidth=0.8)
    axes.axvline(100 * SHARE_TRAINED, color="#999999", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("trained parameters, % of the network's")
    axes.set_ylabel("share of the whole recipe's gain over running directly")
    figure.legend(loc="outside upper center", ncols=len(ERRORS), fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    figure.savefig(temporary, format="png", dpi=110)
    os.replace(temporary, path)
