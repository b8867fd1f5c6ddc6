import numpy as np
import pytest
from exvideo_eval.statistics import Clips, Resampling
from exvideo_eval.tiny_world.judged import judged_measure, merged_motions

RESAMPLING = Resampling(50, 0.95, 0)
MOTIONS = ("crosses left", "crosses right", "bounces left", "bounces right", "orbits clockwise")
# Neither kind of "left" is the likeliest by itself; both together are.
UNSURE = Clips(np.array([[0.3, 0.0, 0.3, 0.0, 0.4]]), ("a",))


def test_the_share_of_clips_whose_likeliest_class_is_the_true_one() -> None:
    probabilities = Clips(np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1]]), ("a", "b", "c", "d"))
    measure = judged_measure("colour", ("red", "blue"), probabilities, ["red", "blue", "red", "red"], 8)
    metric, values, _ = measure.metric(RESAMPLING)
    assert (metric.name, metric.value, metric.n, metric.better) == ("judged colour right", 0.75, 4, "higher")
    assert metric.interval is not None
    assert values is not None
    assert (values.clips, values.values) == (("a", "b", "c", "d"), (1, 1, 0, 1))


def test_merging_adds_up_the_two_kinds_of_each_direction_and_nothing_else() -> None:
    classes, merged = merged_motions(MOTIONS, np.array([[0.1, 0.2, 0.3, 0.25, 0.15]]))
    assert classes == ["moves left", "moves right", "orbits clockwise"]
    np.testing.assert_allclose(merged, [[0.4, 0.45, 0.15]])


@pytest.mark.parametrize(("num_frames", "share"), [(16, 1), (17, 0)])
@pytest.mark.parametrize("truth", ["crosses left", "bounces left"])
def test_short_clips_are_judged_by_direction_and_long_ones_by_kind_too(
    num_frames: int, share: float, truth: str
) -> None:
    metric, _, _ = judged_measure("motion", MOTIONS, UNSURE, [truth], num_frames).metric(RESAMPLING)
    assert metric.value == share
    assert metric.unit == ("share, crosses and bounces as one" if share else "share")


def test_a_truth_that_the_judges_do_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="The sidecars say motion 'waves left', which the judges do not know"):
        judged_measure("motion", MOTIONS, UNSURE, ["waves left"], 8)
