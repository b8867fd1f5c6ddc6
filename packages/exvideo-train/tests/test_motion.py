import pytest
import torch
from exvideo_train.data.motion import motion_bucket, motion_score


def test_a_still_clip_does_not_move() -> None:
    assert motion_score(torch.ones(5, 3, 4, 4)) == 0
    assert motion_bucket(0.0) == 0


def test_the_score_is_the_unbiased_deviation_over_frames() -> None:
    frames = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert motion_score(frames) == pytest.approx(2**0.5)


@pytest.mark.parametrize(
    ("score", "bucket"), [(0.0122, 0), (0.0123, 1), (0.0160, 2), (0.42, 126), (0.5, 127), (9.0, 127)]
)
def test_published_thresholds(score: float, bucket: int) -> None:
    assert motion_bucket(score) == bucket
