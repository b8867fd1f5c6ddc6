"""Each measure on clips whose fault is made by hand, from pixels to the result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.results import Result

SETTINGS = Settings(features="random3d", window=4, resamples=20, seam_every=6)


def value(result: Result, name: str) -> float:
    metric = result.metric(name)
    assert metric is not None, name
    return metric.value


@pytest.fixture
def faulty(tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    for seed in range(4):
        real = moving_clip(seed)
        orders = {"real": range(12), "frozen": [0] * 12, "back": [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0]}
        for folder, order in orders.items():
            write_video(tmp_path / folder / f"{seed}.mp4", real[list(order)])
        write_video(tmp_path / "seam" / f"{seed}.mp4", np.concatenate([real[:6], np.roll(real[6:], 9, axis=1)]))
    return tmp_path


def test_each_fault_shows_in_its_own_measure(faulty: Path) -> None:
    back, frozen, seamed = (
        evaluate(faulty / "real", faulty / name, settings=SETTINGS).generated for name in ("back", "frozen", "seam")
    )
    for name in ("palindrome", "nearest return to the first frame"):
        real = value(back, f"{name}, real clips")
        assert value(back, name) < 0.3 * real
        assert value(back, f"{name}, shortfall to real") == pytest.approx(real - value(back, name))
    assert value(seamed, "seam") > 1.2 > value(seamed, "seam, real clips")
    assert value(seamed, "largest jump") > value(seamed, "largest jump, real clips")
    assert value(frozen, "still clips") == 1
    assert value(frozen, "dynamic degree relative to real") == 0
    assert value(frozen, "change over 4 frames, ratio to real") < 0.1
    assert value(frozen, "flicker, ratio to real") < 0.1


def test_frozen_clips_improve_no_number_that_has_a_better(faulty: Path) -> None:
    evaluation = evaluate(faulty / "real", faulty / "frozen", faulty / "real", settings=SETTINGS)
    assert evaluation.baseline is not None
    for metric in evaluation.generated.metrics:
        perfect = evaluation.baseline.metric(metric.name)
        if metric.better == "neutral" or perfect is None:
            continue
        gain = (metric.value - perfect.value) * (1 if metric.better == "higher" else -1)
        assert gain <= 1e-9, metric.name


def test_a_clip_that_returns_less_than_the_real_one_is_neither_better_nor_worse_for_it(faulty: Path) -> None:
    """Real clips run back here, so that one that runs on has more of what is less in a fault."""
    evaluation = evaluate(faulty / "back", faulty / "real", faulty / "back", settings=SETTINGS)
    assert evaluation.contrast is not None
    for name in ("palindrome", "nearest return to the first frame"):
        assert value(evaluation.generated, f"{name}, shortfall to real") == 0
        mean = evaluation.contrast.metric(f"{name}, difference to baseline")
        assert mean is not None
        assert mean.better == "neutral"
        assert mean.value > 0
        assert value(evaluation.contrast, f"{name}, shortfall to real, difference to baseline") == 0


def test_a_seam_beyond_the_clip_is_refused(faulty: Path) -> None:
    with pytest.raises(ValueError, match=r"seam_every is 20, and clips of 12 frames .* give at most 11"):
        evaluate(faulty / "real", faulty / "seam", settings=replace(SETTINGS, seam_every=20))


def test_shares_of_all_or_no_clips_have_an_interval_with_a_width(faulty: Path) -> None:
    """Of 4 clips neither says that all others are alike, and McNemar's test finds 4 against 0 no rare thing."""
    evaluation = evaluate(faulty / "real", faulty / "frozen", faulty / "real", settings=SETTINGS)
    assert evaluation.contrast is not None
    for name, bounds in {
        "still clips": (0.5101, 1),
        "still clips, real clips": (0, 0.4899),
        "dynamic degree relative to real": (0, 0.4899),
    }.items():
        metric = evaluation.generated.metric(name)
        assert metric is not None
        assert metric.interval is not None
        assert metric.interval.method == "Wilson"
        assert (metric.interval.low, metric.interval.high) == pytest.approx(bounds, abs=1e-4)
    for name in ("still clips", "dynamic degree relative to real"):
        metric = evaluation.contrast.metric(f"{name}, difference to baseline")
        assert metric is not None
        assert metric.significance is not None
        assert (metric.significance.method, metric.significance.p_value) == ("McNemar, exact", 0.125)
        assert metric.interval is not None
        assert metric.interval.low < metric.interval.high
        (values,) = [item for item in evaluation.generated.clip_values if item.metric == name]
        assert set(values.values) == {metric.value + (name != "still clips")}
