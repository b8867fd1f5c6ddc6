"""The share of clips of which something holds, with Wilson's interval (J. Am. Stat. Assoc. 22, 1927, page 209)."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import Resampling
from exvideo_eval.embedded import JUDGES
from exvideo_eval.result_parts import Interval, Metric


def share_metric(name: str, holds: NDArray[np.bool_], unit: str, resampling: Resampling) -> Metric:
    """The share of True in `holds` (clips,), at least one. No interval where other metrics have none."""
    share, count = float(holds.mean()), len(holds)
    wanted = count >= 3 and resampling.resamples >= 2
    interval = wilson_interval(share, count, resampling.level) if wanted else None
    return Metric(name, share, unit, "higher", count, features=JUDGES, interval=interval)


def wilson_interval(share: float, count: int, level: float) -> Interval:
    """Bounds in [0, 1] of the share among all clips, if `share` of `count` was found.

    Drawing clips again, as elsewhere, would give no width where all or none of them is right.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(max(centre - reach, 0.0), min(centre + reach, 1.0), level, f"Wilson, {count} clips")
