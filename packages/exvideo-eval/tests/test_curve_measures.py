import numpy as np
import pytest
from exvideo_eval.curve_measures import DRIFT, MISMATCH, RATIO, curve_measures
from exvideo_eval.frame_curves import FrameCurve
from exvideo_eval.result_parts import Metric
from exvideo_eval.statistics import Clips, Resampling

CURVE = FrameCurve("motion", "u", 1, 1e-6)
RESAMPLING = Resampling(100, 0.95, 0)


def noisy(level: np.ndarray | float, seed: int, num_clips: int = 10) -> np.ndarray:
    return level * np.random.default_rng(seed).uniform(0.8, 1.2, (num_clips, 20))


def clips(values: np.ndarray) -> Clips:
    return Clips(values, tuple(map(str, range(len(values)))))


def metrics(values: np.ndarray, real: np.ndarray, resampling: Resampling = RESAMPLING) -> dict[str, Metric]:
    """By statistic; clips of both sets are twins."""
    found = curve_measures(CURVE, clips(values), clips(real))
    return {measure.statistic: measure.metric(resampling)[0] for measure in found}


def test_half_the_motion_is_one_octave_off_and_half_the_ratio() -> None:
    real = noisy(1.0, 0)
    found = metrics(real / 2 * noisy(1.0, 9), real)
    assert found[RATIO].value == pytest.approx(0.5, rel=0.02)
    assert found[MISMATCH].value == pytest.approx(1, abs=0.05)
    for metric in found.values():
        assert metric.interval is not None
        assert metric.interval.low <= metric.value <= metric.interval.high
    assert (found[MISMATCH].better, found[RATIO].better) == ("lower", "neutral")
    assert (found[RATIO].name, found[RATIO].quantity) == ("motion, ratio to real", "motion")
    for statistic in (RATIO, MISMATCH):
        assert found[statistic].significance is not None
        assert found[statistic].significance.p_value < 0.02


def test_the_real_curve_has_no_mismatch_and_a_fading_one_has_though_its_mean_is_right() -> None:
    real = noisy(1.0, 1)
    assert metrics(real, real)[MISMATCH].value == 0
    fading = metrics(noisy(np.linspace(1.9, 0.1, 20), 2), real)
    assert fading[MISMATCH].value > 0.7
    assert fading[MISMATCH].significance is not None
    assert fading[MISMATCH].significance.p_value < 0.05
    assert fading[RATIO].significance is not None
    assert fading[RATIO].significance.p_value > 0.05
    assert fading[DRIFT].value < 0.25


def test_a_frozen_clip_has_a_large_and_finite_mismatch() -> None:
    frozen, moving = np.zeros((4, 20)), noisy(1.0, 3, 4)
    assert 15 < metrics(frozen, moving)[MISMATCH].value < 25
    assert DRIFT not in metrics(frozen, moving)
    assert RATIO not in metrics(moving, frozen)


@pytest.mark.parametrize(("num_clips", "resamples"), [(2, 100), (10, 0)])
def test_no_interval_and_no_test_where_they_would_mean_nothing(num_clips: int, resamples: int) -> None:
    values = noisy(1.0, 4, num_clips)
    for metric in metrics(values, values, Resampling(resamples, 0.95, 0)).values():
        assert metric.interval is None
        assert metric.significance is None
        assert metric.n == num_clips
