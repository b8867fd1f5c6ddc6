import numpy as np
import pytest
from exvideo_eval.bootstrap import Resampling
from exvideo_eval.drift import drift_metric, mean_metric, mismatch_metric, ratio_metric
from exvideo_eval.frame_curves import FrameCurve

CURVE = FrameCurve("motion", "u", 1, 1e-6)
RESAMPLING = Resampling(100, 0.95, 0)


def noisy(level: np.ndarray | float, seed: int, num_clips: int = 10) -> np.ndarray:
    return level * np.random.default_rng(seed).uniform(0.8, 1.2, (num_clips, 20))


def test_half_the_motion_is_one_octave_off_and_half_the_ratio() -> None:
    real = noisy(1.0, 0)
    ratio = ratio_metric(CURVE, real / 2, real, RESAMPLING)
    mismatch = mismatch_metric(CURVE, real / 2, real, RESAMPLING)
    assert ratio is not None
    assert ratio.value == pytest.approx(0.5)
    assert mismatch.value == pytest.approx(1, abs=1e-5)
    for metric in (ratio, mismatch):
        assert metric.interval is not None
        assert metric.interval.low <= metric.value <= metric.interval.high
    assert mismatch.better == "lower"


def test_the_real_curve_has_no_mismatch_and_a_fading_one_has_though_its_mean_is_right() -> None:
    real = noisy(1.0, 1)
    fading = noisy(np.linspace(1.9, 0.1, 20), 2)
    assert mismatch_metric(CURVE, real, real, RESAMPLING).value == 0
    assert mismatch_metric(CURVE, fading, real, RESAMPLING).value > 0.7
    drift = drift_metric(CURVE, fading, RESAMPLING)
    assert drift is not None
    assert drift.value < 0.25


def test_a_frozen_clip_has_a_large_and_finite_mismatch() -> None:
    frozen = np.zeros((4, 20))
    assert 15 < mismatch_metric(CURVE, frozen, noisy(1.0, 3), RESAMPLING).value < 25
    assert drift_metric(CURVE, frozen, RESAMPLING) is None
    assert ratio_metric(CURVE, noisy(1.0, 3), frozen, RESAMPLING) is None


@pytest.mark.parametrize(("num_clips", "resamples"), [(2, 100), (10, 0)])
def test_no_interval_where_it_would_mean_nothing(num_clips: int, resamples: int) -> None:
    metric = mean_metric(CURVE, noisy(1.0, 4, num_clips), Resampling(resamples, 0.95, 0))
    assert metric.interval is None
    assert metric.n == num_clips
