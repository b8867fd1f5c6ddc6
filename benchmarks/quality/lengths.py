"""Displacement error against the length of a clip, and the length at which one method overtakes another."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.quality.files import write_figure
from benchmarks.quality.making import BASE_FRAMES
from benchmarks.quality.protocol import DISPLACEMENT

SHOWN = ("direct", "held", "rife", "rife-equal", "chain", "spread", "exvideo", "lengthened-80", "full")
STYLES = ("--", ":", "-", "-.", (0, (5, 1, 1, 1)), "--", "-", "-", "-")
# Rows that are one way of doing it at several lengths are one curve.
CURVES = {
    "full": ("full-80", "full-128"), "exvideo": ("exvideo-chain",), "lengthened-80": ("lengthened-128",)
}  # fmt: skip
TITLES = {
    "full": "ExVideo, `full`, post-tuned for the length",
    "exvideo": "ExVideo, shipped extension, clip after clip beyond its length",
    "lengthened-80": "ExVideo, shipped, lengthened",
}
Curve = Mapping[int, float]  # of a method, by the number of frames


def curves(settings: Mapping[str, Any], split: str) -> dict[str, dict[int, float]]:
    """The displacement error of each method by the number of frames, of the regimes of the embedded base.

    Of a length the setting with the most methods is taken, and of as many the one with the most clips: methods that
    are compared are of the same clips.
    """
    known = [
        figures
        for figures in settings.values()
        if figures["protocol"]["split"] == split
        and figures["protocol"]["base"] == "embedded"
        and "events" not in figures["protocol"]["regime"]
    ]
    found: dict[str, dict[int, float]] = {}
    of_curve = {row: curve for curve, rows in CURVES.items() for row in rows}
    for frames in dict.fromkeys(one["protocol"]["num_frames"] for one in known):
        of_length = (one for one in known if one["protocol"]["num_frames"] == frames)
        figures = max(of_length, key=lambda one: (len(one["methods"]), one["protocol"]["clips"]))
        for method, told in figures["methods"].items():
            found.setdefault(of_curve.get(method, method), {})[frames] = told["figures"][DISPLACEMENT]["value"]
    return {method: dict(sorted(curve.items())) for method, curve in found.items()}


def titles_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The title of each curve."""
    titles = {name: told["title"] for figures in settings.values() for name, told in figures["methods"].items()}
    return titles | TITLES


def lengths_of(settings: Mapping[str, Any], split: str) -> int:
    """The number of lengths that a split has figures of."""
    return len({frames for curve in curves(settings, split).values() for frames in curve})


def crossing(ours: Curve, theirs: Curve) -> float | None:
    """The number of frames at which the line between two lengths of the ratio of two curves crosses 1: the protocol's.

    None where one is below the other at all lengths that both have.
    """
    ratios = {frames: ours[frames] / theirs[frames] for frames in sorted(ours.keys() & theirs.keys())}
    for before, after in pairwise(ratios):
        if (ratios[before] - 1) * (ratios[after] - 1) < 0:
            share = (1 - ratios[before]) / (ratios[after] - ratios[before])
            return before + share * (after - before)
    return None


def crossovers(settings: Mapping[str, Any], split: str) -> str:
    """A table: displacement errors by length, and where each method crosses keyframes with RIFE."""
    known = curves(settings, split)
    lengths = sorted({frames for curve in known.values() for frames in curve})
    titles = titles_of(settings)
    heads = [f"{frames} frames ({frames / BASE_FRAMES:g}x)" for frames in lengths]
    lines = [["displacement error, pixels", *heads, "crosses keyframes with RIFE at"], ["---"] * (len(lengths) + 2)]
    for name, curve in known.items():
        at = crossing(curve, known["rife"]) if name != "rife" and "rife" in known else None
        cells = [f"{curve[frames]:.2f}" if frames in curve else "" for frames in lengths]
        lines.append([titles[name], *cells, "" if at is None else f"{at:.0f} frames"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(path: Path, settings: Mapping[str, Any], split: str, shown: Sequence[str] = SHOWN) -> None:
    """Writes a PNG of the curves, crossings with keyframes and RIFE marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known, titles = curves(settings, split), titles_of(settings)
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, style in zip(shown, STYLES, strict=True):
        if name in known:
            axes.plot(list(known[name]), list(known[name].values()), linestyle=style, marker="o", label=titles[name])
            at = crossing(known[name], known["rife"]) if name != "rife" and "rife" in known else None
            if at is not None:
                axes.axvline(at, color="#999999", linewidth=0.8)
                told = f"{titles[name]} crosses: {at:.0f}"
                axes.annotate(told, (at, axes.get_ylim()[1]), rotation=90, va="top", fontsize=7)
    axes.set_xscale("log", base=2)
    lengths = sorted({frames for curve in known.values() for frames in curve})
    axes.set_xticks(lengths, [str(frames) for frames in lengths])
    axes.set_xlabel("frames of a clip")
    axes.set_ylabel("displacement error, pixels")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    write_figure(path, figure)
