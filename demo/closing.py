"""The demo's closing lines: measured figures without the extension and with it, and where to look."""

from pathlib import Path

from exvideo_eval import Metric, Result
from exvideo_eval.verdict import WORSE, verdict_of_difference

from demo.job import FRAME_SIZE, NUM_FRAMES, Job
from demo.loss_curve import HeldOutLoss
from demo.stages import Stages

TRUTH_FIGURES = (
    "displacement error",
    "displacement ratio",
    "velocity error",
    "velocity error, median frame",
    "permanence",
    "area ratio",
    "shape right",
    "colour error",
    "judged right",
    "extra bodies",
)
FRECHET = "Fréchet distance, "  # then the features
MOTION = "motion energy, ratio to real"
DIFFERENCE = "difference to baseline"


def closing_lines(job: Job, stages: Stages, loss: HeldOutLoss, output: Path) -> str:
    """One line a figure, before -> after; then the seconds of each stage, and the files to look at."""
    lines = [
        f"{NUM_FRAMES} frames of {FRAME_SIZE}x{FRAME_SIZE}, without -> with the extension:",
        f"  held-out loss: {loss.base:.4g} -> {loss.extension[-1]:.4g}",
    ]
    if job.truth_is_known:
        base, extended, real = (Result.load(output / "truth" / f"{name}.json") for name in ("base", "extended", "real"))
        lines += truth_lines(base, extended, real)
    results = ("baseline.json", "report.json", "against_baseline.json")
    lines += report_lines(*(Result.load(output / "report" / name) for name in results))
    seconds = ", ".join(f"{timing.title.split(':')[0]} {timing.wall_seconds:.0f}" for timing in stages.timings)
    total = sum(timing.wall_seconds for timing in stages.timings)
    files = ["contact_sheet.png", "after.png", "held_out_loss.png", "report/report.md"]
    files += ["from_text.png"] if job.prompts else []
    files += ["truth/truth.md", "truth/truth.png"] if job.truth_is_known else []
    return "\n".join([*lines, f"Seconds: {seconds}; {total:.0f} in all.", f"Look in {output} at {', '.join(files)}."])


def truth_lines(before: Result, after: Result, real: Result) -> list[str]:
    """Mean over all frames but the given first; what the tracker finds in the real files is the best to be had."""
    found = []
    for name in TRUTH_FIGURES:
        best = real.metric(name)
        aim = f" (real clips: {best.value:.3g})" if best else ""
        found.append(_change(name, before.metric(name), after.metric(name)) + aim)
    return found


def report_lines(before: Result, after: Result, contrast: Result) -> list[str]:
    """The Fréchet distance with what it rests on, how much motion there is, and all that the extension makes worse."""
    found, lost = [], []
    for metric in after.metrics:
        difference = contrast.metric(f"{metric.name}, {DIFFERENCE}")
        rests_on = f" ({metric.n} clips, dimension {metric.dimension})" if metric.dimension else ""
        line = _change(metric.name + rests_on, before.metric(metric.name), metric) + _difference(difference)
        if (metric.quantity.startswith(FRECHET) and metric.statistic == "value") or metric.name == MOTION:
            found.append(line)
        elif difference is not None and verdict_of_difference(difference) == WORSE:
            lost.append(f"{line}, worse")
    return found + lost


def _difference(metric: Metric | None) -> str:
    """The paired difference with its interval, and how often chance alone differs as much."""
    if metric is None:
        return ""
    return f"; difference {_told(metric)}" + (f", p {metric.significance.p_value:.2g}" if metric.significance else "")


def _change(name: str, before: Metric | None, after: Metric | None) -> str:
    one = after or before
    unit = f", {one.unit}" if one and one.unit not in ("ratio", "share", "squared feature units") else ""
    return f"  {name}{unit}: {_told(before)} -> {_told(after)}"


def _told(metric: Metric | None) -> str:
    """A value with its interval: with so few clips the interval is most of what there is to tell."""
    if metric is None:
        return "none"
    if metric.interval is None:
        return f"{metric.value:.3g}"
    return f"{metric.value:.3g} [{metric.interval.low:.3g}, {metric.interval.high:.3g}]"
