import numpy as np
import pytest
import torch
from exvideo_train.data.motion import MotionSums, motion_bucket, motion_score


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


def test_scores_of_stretches_that_overlap_follow_from_sums() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3), dtype=np.uint8)
    pictures[:, 0] = 255  # does not move
    sums, marks = MotionSums(), []
    for number, picture in enumerate(pictures):
        marks.append(sums.mark())
        sums.add(picture)
        if number >= 15:
            frames = torch.from_numpy(pictures[number - 15 : number + 1]).permute(0, 3, 1, 2).float() / 127.5 - 1
            assert sums.score_since(marks[number - 15], 16) == pytest.approx(motion_score(frames), rel=1e-6)


def test_sums_may_run_over() -> None:
    sums, white = MotionSums(), np.full((1, 1, 3), 255, np.uint8)
    sums.add(white, 66_000)
    mark = sums.mark()
    sums.add(white, 66_000)
    sums.add(white - 255, 1)
    expected = torch.tensor([1.0] * 66_000 + [-1.0], dtype=torch.float64).std().item()
    assert sums.score_since(mark, 66_001) == pytest.approx(expected)
