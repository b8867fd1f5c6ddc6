"""Scores of sampled clips against held-out ones, by exvideo-eval where it is installed."""

import re
import unicodedata
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "exvideo_eval"
INSTALL = 'pip install "exvideo-train[eval]"'
WATCHED = "PSNR to real"  # neutral to exvideo-eval, as a frozen clip may win it, and yet one to look at on the way


def can_score() -> bool:
    """True where exvideo-eval is installed."""
    return find_spec(PACKAGE) is not None


def score(real: Path, generated: Path, baseline: Path | None, report: Path) -> tuple[dict[str, float], list[str]]:
    """Judges folders of clips, which hold nothing but clips.

    Args:
        real: held-out clips; one of a sampled clip's name is what really followed on its first frame.
        generated: sampled clips.
        baseline: the base's own, if there are any.
        report: the JSON file to write, exvideo-eval's result of `generated`.

    Returns:
        What has a better and a worse, and `WATCHED`, by names such as "samples/psnr_to_real" and
        "samples_base/psnr_to_real"; and exvideo-eval's notes on what so few clips do not tell.
    """
    from exvideo_eval import Settings, evaluate

    try:
        evaluation = evaluate(real, generated, baseline, Settings(resamples=0))
    except ValueError as error:
        return {}, [f"The samples are not scored: {error}"]
    evaluation.generated.save(report)
    figures = {}
    for prefix, result in (("samples", evaluation.generated), ("samples_base", evaluation.baseline)):
        for metric in () if result is None else result.metrics:
            if metric.better != "neutral" or metric.name == WATCHED:
                figures[f"{prefix}/{_name(metric.name)}"] = metric.value
    return figures, list(evaluation.generated.notes)


def _name(metric: str) -> str:
    """A metric's name in letters that every tracker takes."""
    plain = unicodedata.normalize("NFKD", metric.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
