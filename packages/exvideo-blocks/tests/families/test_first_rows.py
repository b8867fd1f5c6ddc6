"""The first values of the frame tables: the base's own embedding of the positions that the rule names."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend
from torch import Tensor

# Of 12 frames over a base of 5, by hand: repeat = round(0.8 * 5) = 4.
POSITIONS = {
    "reflected": [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3],
    "continued": list(range(12)),
    "interpolated": [4 * frame / 11 for frame in range(12)],
}


def sinusoid(position: float, channels: int) -> tuple[list[float], list[float]]:
    """Cosines and sines of a position at channels / 2 frequencies, falling from 1 to 1/10000."""
    angles = [position * math.exp(-math.log(10000) * pair / (channels // 2)) for pair in range(channels // 2)]
    return [math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]


@pytest.mark.parametrize("default", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
def test_svd_s_are_cosines_before_sines(tiny_unet: Callable[..., Any], positions: str, default: torch.dtype) -> None:
    assert_rows(
        tiny_unet(num_frames=5),
        "mid_block.attentions.0.frame_table.weight",
        positions,
        default,
        lambda cos, sin: cos + sin,
    )


@pytest.mark.parametrize("default", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("positions", POSITIONS)
def test_animatediff_s_are_interleaved(
    tiny_motion_unet: Callable[..., Any], positions: str, default: torch.dtype
) -> None:
    def interleave(cosines: list[float], sines: list[float]) -> list[float]:
        return [value for pair in zip(sines, cosines, strict=True) for value in pair]

    for table in ("frame_table1", "frame_table2"):
        name = f"mid_block.motion_modules.0.transformer_blocks.0.{table}.weight"
        assert_rows(tiny_motion_unet(motion_max_seq_length=5), name, positions, default, interleave)


def assert_rows(
    unet: Any, name: str, positions: str, default: torch.dtype, order: Callable[[list[float], list[float]], list[float]]
) -> None:
    torch.set_default_dtype(default)  # whatever a program takes for its own new tensors
    try:
        table: Tensor = extend(unet, ExtensionConfig(num_frames=12, positions=positions)).named_parameters()[name]
    finally:
        torch.set_default_dtype(torch.float32)
    assert table.dtype == torch.float32
    expected = [order(*sinusoid(position, table.shape[1])) for position in POSITIONS[positions]]
    torch.testing.assert_close(table.detach(), torch.tensor(expected), rtol=0, atol=2e-6)
