"""The direction of flow by its definition, with flows that are made up."""

import numpy as np
import pytest
import torch
from exvideo_eval.metrics.flow_direction import CELLS, flow_cosine, flow_of_cells
from torch import Tensor

CLIP = torch.zeros(7, 3, 64, 128, dtype=torch.uint8)


def flows(x: float, y: float):
    def of(before: Tensor, after: Tensor) -> Tensor:
        flow = torch.tensor([-x, -y, x, y]) / 2
        return flow.view(1, 4, 1, 1).expand(len(before), 4, *before.shape[2:])

    return of


def zoom(before: Tensor, after: Tensor) -> Tensor:
    """Away from the middle: no direction as a whole."""
    columns = torch.linspace(-1, 1, before.shape[3]).expand(len(before), 1, *before.shape[2:])
    out = torch.cat([columns, torch.zeros_like(columns)], dim=1)
    return torch.cat([-out, out], dim=1)


def test_flow_is_in_shorter_sides_from_frame_to_frame() -> None:
    field = flow_of_cells(CLIP, 8, flows(6.4, -3.2))
    assert field.shape == (2 * CELLS * CELLS,)
    assert field == pytest.approx([0.1] * 16 + [-0.05] * 16)


def test_the_cosine_is_that_of_directions_whatever_the_speed() -> None:
    right, fast, left, down = (flow_of_cells(CLIP, 8, flows(*way)) for way in ((1, 0), (9, 0), (-1, 0), (0, 1)))
    found = [flow_cosine(right, other) for other in (right, fast, left, down)]
    assert found == pytest.approx([1, 1, -1, 0])


def test_a_zoom_is_told_from_its_reverse() -> None:
    field = flow_of_cells(CLIP, 8, zoom)
    assert abs(field.sum()) < 1e-6
    assert flow_cosine(field, -field) == pytest.approx(-1)


def test_a_still_clip_goes_nowhere() -> None:
    moving = flow_of_cells(CLIP, 8, flows(4, 0))
    assert flow_cosine(moving, np.zeros(32)) == 0
    assert flow_cosine(flow_of_cells(CLIP, 8, flows(0.05, 0)), moving) == 0


def test_clips_are_thinned_to_eight_frames_a_second() -> None:
    seen = []

    def counted(before: Tensor, after: Tensor) -> Tensor:
        seen.append(len(before))
        return flows(1, 0)(before, after)

    flow_of_cells(CLIP, 25, counted)
    assert sum(seen) == 2  # frames 0, 3, 6
    with pytest.raises(ValueError, match=r"has 2 frames at 25 a second, .* are one: give a longer clip"):
        flow_of_cells(CLIP[:2], 25, counted)
