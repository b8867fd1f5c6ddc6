import numpy as np
import pytest
from exvideo_eval.metrics.clip_similarity import clip_score, frame_consistency, text_similarity
from exvideo_eval.metrics.unfit_clip import UnfitClipError

EAST, NORTH = np.array([2.0, 0.0]), np.array([0.0, 3.0])


def test_frames_are_compared_with_the_caption_one_by_one_and_averaged() -> None:
    assert text_similarity(np.stack([EAST, NORTH]), EAST) == pytest.approx(0.5)
    assert text_similarity(np.stack([-EAST, NORTH]), EAST) == pytest.approx(-0.5)  # raw: nothing is clamped


def test_adjacent_frames_are_compared_and_a_frozen_clip_has_one() -> None:
    assert frame_consistency(np.stack([EAST, EAST, NORTH])) == pytest.approx(0.5)
    assert frame_consistency(np.stack([EAST, 5 * EAST, EAST])) == pytest.approx(1.0)


def test_the_mean_is_clamped_and_not_each_clip() -> None:
    assert clip_score(np.array([0.4, -0.2])) == pytest.approx(10)


def test_single_frames_and_empty_embeddings_are_refused() -> None:
    with pytest.raises(UnfitClipError, match="A clip has one frame, which has no next: give one of at least two"):
        frame_consistency(EAST[None])
    for bad in (0 * EAST, np.nan * EAST):
        with pytest.raises(UnfitClipError, match="has an embedding of length 0 or not finite"):
            text_similarity(np.stack([EAST, bad]), EAST)
