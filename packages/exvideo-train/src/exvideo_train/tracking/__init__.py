"""The figures of a run: `metrics.jsonl` in its folder, and a thread that follows it to MLflow."""

from exvideo_train.tracking.tracker import Tracker, sync

__all__ = ["Tracker", "sync"]
