"""Judges clips of any video model: Fréchet distance on named features, curves per frame index, reports.

>>> from exvideo_eval import evaluate, write_report
>>> evaluation = evaluate("clips/real", "clips/generated", baseline="clips/without_extension")
>>> write_report("out/report", evaluation)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_eval.compare import compare_results as compare_results
    from exvideo_eval.execution import Execution as Execution
    from exvideo_eval.features.published.pinned import PinnedFile as PinnedFile
    from exvideo_eval.features.transnetv2 import load_transnetv2 as load_transnetv2
    from exvideo_eval.plan import Settings as Settings
    from exvideo_eval.protocols.measuring import MeasureSettings as MeasureSettings
    from exvideo_eval.report import write_report as write_report
    from exvideo_eval.result_parts import ClipValues as ClipValues
    from exvideo_eval.result_parts import Curve as Curve
    from exvideo_eval.result_parts import Data as Data
    from exvideo_eval.result_parts import Interval as Interval
    from exvideo_eval.result_parts import Media as Media
    from exvideo_eval.result_parts import Metric as Metric
    from exvideo_eval.result_parts import Significance as Significance
    from exvideo_eval.result_parts import Skipped as Skipped
    from exvideo_eval.results import Result as Result
    from exvideo_eval.statistics import Resampling as Resampling
    from exvideo_eval.statistics import ratio_interval as ratio_interval
    from exvideo_eval.suite import Evaluation as Evaluation
    from exvideo_eval.suite import evaluate as evaluate
    from exvideo_eval.tiny_world.judges import load_judges as load_judges
    from exvideo_eval.tiny_world.networks import Matcher as Matcher
    from exvideo_eval.tiny_world.networks import VideoClassifier as VideoClassifier

__version__ = "0.1.0"

_HOMES = {
    "ClipValues": "result_parts",
    "Curve": "result_parts",
    "Data": "result_parts",
    "Evaluation": "suite",
    "Execution": "execution",
    "Interval": "result_parts",
    "Matcher": "tiny_world.networks",
    "Media": "result_parts",
    "MeasureSettings": "protocols.measuring",
    "Metric": "result_parts",
    "PinnedFile": "features.published.pinned",
    "Resampling": "statistics",
    "Result": "results",
    "Settings": "plan",
    "Significance": "result_parts",
    "Skipped": "result_parts",
    "VideoClassifier": "tiny_world.networks",
    "compare_results": "compare",
    "evaluate": "suite",
    "load_judges": "tiny_world.judges",
    "load_transnetv2": "features.transnetv2",
    "ratio_interval": "statistics",
    "write_report": "report",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
