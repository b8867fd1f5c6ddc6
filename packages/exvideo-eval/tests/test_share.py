import numpy as np
import pytest
from exvideo_eval.bootstrap import Resampling
from exvideo_eval.share import share_metric, wilson_interval


@pytest.mark.parametrize(("share", "bounds"), [(0.5, (0.2366, 0.7634)), (1.0, (0.7225, 1.0)), (0.0, (0.0, 0.2775))])
def test_wilsons_interval_of_ten_clips(share: float, bounds: tuple[float, float]) -> None:
    interval = wilson_interval(share, 10, 0.95)
    assert (interval.low, interval.high) == pytest.approx(bounds, abs=1e-4)


@pytest.mark.parametrize(("clips", "resamples", "has_one"), [(3, 2, True), (2, 200, False), (30, 0, False)])
def test_a_share_has_an_interval_where_other_metrics_have(clips: int, resamples: int, has_one: bool) -> None:
    metric = share_metric("s", np.ones(clips, dtype=bool), "share", Resampling(resamples, 0.95, 0))
    assert (metric.value, metric.n, metric.interval is not None) == (1, clips, has_one)
