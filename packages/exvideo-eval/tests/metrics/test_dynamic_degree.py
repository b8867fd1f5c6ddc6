"""Dynamic degree by its definition, with flows that are made up."""

import pytest
import torch
from exvideo_eval.metrics.dynamic_degree import motion_of
from torch import Tensor

CLIP = torch.zeros(16, 3, 128, 256, dtype=torch.uint8)
THRESHOLD = 3.0  # 6 * 128 / 256


def flows_of(length: float, share: float = 1.0, pairs: int = 100):
    """Flow of that length from frame to frame in a share of the pixels, of the first pairs only."""
    seen = 0

    def flows(before: Tensor, after: Tensor) -> Tensor:
        nonlocal seen
        flow = torch.zeros(len(before), 4, *before.shape[2:])
        columns = round(share * before.shape[3])
        for row in range(len(before)):
            if seen < pairs:
                flow[row, 1, :, :columns], flow[row, 3, :, :columns] = -length / 2, length / 2
            seen += 1
        return flow

    return flows


def test_a_pair_moves_above_the_threshold_of_its_size() -> None:
    assert not motion_of(CLIP, 8, flows_of(THRESHOLD)).is_dynamic
    assert motion_of(CLIP, 8, flows_of(THRESHOLD + 0.01)).is_dynamic


def test_the_top_twentieth_decides() -> None:
    assert motion_of(CLIP, 8, flows_of(4, share=0.05)).is_dynamic
    assert not motion_of(CLIP, 8, flows_of(4, share=0.03)).is_dynamic


def test_a_quarter_of_the_frames_must_move() -> None:
    assert motion_of(CLIP, 8, flows_of(10, pairs=4)).is_dynamic
    assert not motion_of(CLIP, 8, flows_of(10, pairs=3)).is_dynamic


def test_clips_are_thinned_to_eight_frames_a_second_and_flow_is_by_second() -> None:
    at_8, at_24 = motion_of(CLIP, 8, flows_of(4)), motion_of(CLIP, 24, flows_of(4))
    assert at_8.mean_flow == pytest.approx(4 / 128 * 8)
    assert at_24.mean_flow == pytest.approx(4 / 128 * 8)
    assert motion_of(CLIP, 12, flows_of(4)).mean_flow == pytest.approx(4 / 128 * 6)


def test_what_has_no_pair_or_no_rate_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"has 3 frames at 24 a second, .* are one: give a longer clip"):
        motion_of(CLIP[:3], 24, flows_of(4))
    with pytest.raises(ValueError, match="does not tell its rate"):
        motion_of(CLIP, 0, flows_of(4))
