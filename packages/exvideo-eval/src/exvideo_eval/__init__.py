"""Judges clips of any video model: Fréchet distance on named features, curves per frame index, reports.

>>> from exvideo_eval import evaluate, write_report
>>> evaluation = evaluate("clips/real", "clips/generated", baseline="clips/without_extension")
>>> write_report("out/report", evaluation)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_eval.compare import compare_results
    from exvideo_eval.plan import Settings
    from exvideo_eval.report import write_report
    from exvideo_eval.results import Curve, Data, Interval, Metric, Result, Skipped
    from exvideo_eval.suite import Evaluation, evaluate

__version__ = "0.1.0"

# Where each public name lives; loaded on first use, so that importing the package does not import torch.
_HOMES = {
    "compare_results": "compare",
    "write_report": "report",
    "Curve": "results",
    "Data": "results",
    "Interval": "results",
    "Metric": "results",
    "Result": "results",
    "Skipped": "results",
    "Evaluation": "suite",
    "Settings": "plan",
    "evaluate": "suite",
}

__all__ = [
    "Curve",
    "Data",
    "Evaluation",
    "Interval",
    "Metric",
    "Result",
    "Settings",
    "Skipped",
    "__version__",
    "compare_results",
    "evaluate",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
