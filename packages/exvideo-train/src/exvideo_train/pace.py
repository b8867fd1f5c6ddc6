"""The pace of a run: clips a second, the share of the time that waits for data, the use of the card, the time left."""

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median

WINDOW = 50  # steps whose median stands for one: a step that waited for a checkpoint does not count for more


class Pace:
    """Figures of a step from its time. Evaluations and samples lie between steps, and are in none of them.

    Args:
        clips: of a step, over all processes.
        flops: of a step in this process, in each bucket; None where they were not counted.
        peak_flops: a second, of this process's card; None where it is not known.
        shares: of the steps, that each bucket has; they need not add up to 1.
    """

    def __init__(
        self,
        clips: int,
        flops: Sequence[int] | None = None,
        peak_flops: float | None = None,
        shares: Sequence[float] = (1,),
    ) -> None:
        self._clips = clips
        self._uses = None if flops is None or peak_flops is None else [each / peak_flops for each in flops]
        self._shares = shares
        self._seconds: list[deque[float]] = [deque(maxlen=WINDOW) for _ in shares]

    def figures(self, step: Mapping[str, float], bucket: int = 0) -> dict[str, float]:
        """`clips_per_second`, `data_wait_share` (0 to 1), and `mfu` (0 to 1) where the card is known.

        Args:
            step: `seconds` of a step, and `data_wait_seconds` of them.
            bucket: of the step, by its place.
        """
        seconds = step["seconds"]
        self._seconds[bucket].append(seconds)
        figures = {"clips_per_second": self._clips / seconds, "data_wait_share": step["data_wait_seconds"] / seconds}
        return figures if self._uses is None else figures | {"mfu": self._uses[bucket] / seconds}

    def seconds_left(self, steps: int) -> float | None:
        """Seconds that so many steps will take, by the median of the last ones of each bucket; None before the first.

        Buckets that have had no step yet are taken for as fast as the others.
        """
        seen = [(median(own), share) for own, share in zip(self._seconds, self._shares, strict=True) if own]
        return steps * sum(own * share for own, share in seen) / sum(share for _, share in seen) if seen else None


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: "71:02:09"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
