"""Warp error of pictures that move as they are told to."""

import pytest
import torch
from exvideo_eval.metrics.warp_error import warp_error, warped
from torch import Tensor


def moving(frames: int, step: int, light: int = 0) -> Tensor:
    """A random picture that moves left; each frame `light` levels brighter than the last."""
    generator = torch.Generator().manual_seed(0)
    wide = torch.randint(0, 150, (3, 16, 24 + frames * step), generator=generator, dtype=torch.uint8)
    return torch.stack([wide[:, :, step * index : step * index + 24] + light * index for index in range(frames)])


def constant(first: float, second: float):
    def flows(before: Tensor, after: Tensor) -> Tensor:
        flow = torch.zeros(len(before), 4, *before.shape[2:])
        flow[:, 0], flow[:, 2] = first, second
        return flow

    return flows


@pytest.mark.parametrize("frames", [2, 5, 12])
def test_the_true_flow_leaves_nothing_and_counts_what_both_frames_hold(frames: int) -> None:
    error, share = warp_error(moving(frames, 4), constant(2, -2))
    assert error == pytest.approx(0, abs=1e-6)
    assert share == pytest.approx(20 / 24)  # 2 columns at either side come from outside


def test_light_that_changes_is_the_error() -> None:
    assert warp_error(moving(4, 4, light=5), constant(2, -2))[0] == pytest.approx(5 / 255, abs=1e-6)


def test_a_wrong_flow_leaves_much() -> None:
    assert warp_error(moving(4, 4), constant(0, 0))[0] > 0.1


def test_pixels_whose_flows_are_not_opposite_do_not_count() -> None:
    assert warp_error(moving(4, 4), constant(2, 2)) == (0.0, 0.0)
    assert warp_error(moving(4, 4), constant(2, -1.5))[1] > 0.8  # within the rule's half pixel


def test_a_frame_is_fetched_from_where_the_flow_points() -> None:
    frame = torch.arange(5.0).expand(1, 3, 2, 5)
    flow = torch.zeros(1, 2, 2, 5)
    flow[:, 0] = 1.5
    fetched, inside = warped(frame, flow)
    assert fetched[0, 0, 0].tolist() == pytest.approx([1.5, 2.5, 3.5, 4, 4])
    assert inside[0, 0].tolist() == [True, True, True, False, False]


def test_one_frame_has_none() -> None:
    with pytest.raises(ValueError, match="a clip has 1: give 2 or more"):
        warp_error(moving(1, 0), constant(0, 0))
