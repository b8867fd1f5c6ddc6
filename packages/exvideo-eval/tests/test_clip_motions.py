"""A clip's motion over long distances: what each quantity is, and which a short clip has."""

import pytest
import torch
from exvideo_eval.clip_motions import CHANGES, FLICKER, MOTION, PALINDROME, clip_motions, drift_name


def sliding(frames: int) -> torch.Tensor:
    """A ramp that gets brighter by 2 of 255 a frame, uint8 (frames, 3, 16, 16)."""
    ramp = torch.arange(16, dtype=torch.uint8).expand(3, 16, 16)
    return torch.stack([ramp + 2 * frame for frame in range(frames)])


def test_changes_grow_with_the_distance() -> None:
    found = clip_motions(sliding(20))
    assert found[CHANGES].shape == (19,)
    for distance in (1, 4, 16):
        assert found[drift_name(distance)].item() == pytest.approx(2 * distance / 255)
    assert found[FLICKER].item() == pytest.approx(0, abs=1e-6)  # each frame is the mean of its neighbours
    assert found[MOTION].item() > 0


@pytest.mark.parametrize(
    ("frames", "lacking"),
    [(2, {drift_name(4), drift_name(16), FLICKER, PALINDROME}), (3, {drift_name(4), drift_name(16), PALINDROME}),
     (4, {drift_name(4), drift_name(16)}), (5, {drift_name(16)}), (17, set())],
)  # fmt: skip
def test_a_short_clip_lacks_what_it_has_too_few_frames_for(frames: int, lacking: set[str]) -> None:
    names = {CHANGES, MOTION, FLICKER, PALINDROME, drift_name(1), drift_name(4), drift_name(16)}
    assert set(clip_motions(sliding(frames))) == names - lacking


def test_a_still_clip_moves_not_at_all() -> None:
    still = sliding(1).repeat(20, 1, 1, 1)
    found = clip_motions(still)
    assert not any(found[name].any() for name in (CHANGES, MOTION, FLICKER, drift_name(16)))
