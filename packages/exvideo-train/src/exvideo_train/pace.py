"""The pace of a run: clips a second, the share of the time that waits for data, the use of the card, the time left."""

from collections import deque
from collections.abc import Mapping
from statistics import median

WINDOW = 50  # steps whose median stands for one: a step that waited for a checkpoint does not count for more


class Pace:
    """Figures of a step from its time. Evaluations and samples lie between steps, and are in none of them.

    Args:
        clips: of a step, over all processes.
        flops: of a step in this process; None where they were not counted.
        peak_flops: a second, of this process's card; None where it is not known.
    """

    def __init__(self, clips: int, flops: int | None = None, peak_flops: float | None = None) -> None:
        self._clips = clips
        self._use = None if flops is None or peak_flops is None else flops / peak_flops
        self._seconds: deque[float] = deque(maxlen=WINDOW)

    def figures(self, step: Mapping[str, float]) -> dict[str, float]:
        """`clips_per_second`, `data_wait_share` (0 to 1), and `mfu` (0 to 1) where the card is known.

        Args:
            step: `seconds` of a step, and `data_wait_seconds` of them.
        """
        seconds = step["seconds"]
        self._seconds.append(seconds)
        figures = {"clips_per_second": self._clips / seconds, "data_wait_share": step["data_wait_seconds"] / seconds}
        return figures if self._use is None else figures | {"mfu": self._use / seconds}

    def seconds_left(self, steps: int) -> float | None:
        """Seconds that so many steps will take, by the median of the last ones; None before the first."""
        return steps * median(self._seconds) if self._seconds else None


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: "71:02:09"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
