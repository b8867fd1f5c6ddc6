import numpy as np
import pytest
import torch
from exvideo_eval.frame_curves import CURVES, clip_curves, curves_to_real


def grey(*levels: int) -> torch.Tensor:
    """Frames of one grey level each, 8x8."""
    return torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()


def test_flat_frames_have_the_values_that_arithmetic_gives() -> None:
    curves = clip_curves(grey(51, 102, 51))
    np.testing.assert_allclose(curves["distance to first frame"], [0.2, 0.0], atol=1e-6)
    np.testing.assert_allclose(curves["motion energy"], [0.04, 0.04], atol=1e-6)
    np.testing.assert_allclose(curves["brightness"], [0.2, 0.4, 0.2], atol=1e-6)
    np.testing.assert_allclose(curves["contrast"], 0, atol=1e-6)
    np.testing.assert_allclose(curves["sharpness"], 0, atol=1e-6)


def test_a_chessboard_has_the_contrast_and_sharpness_that_arithmetic_gives() -> None:
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 255
    curves = clip_curves(board.byte().expand(2, 3, 8, 8))
    np.testing.assert_allclose(curves["contrast"], 0.5, atol=1e-6)
    np.testing.assert_allclose(curves["sharpness"], 16, atol=1e-4)  # the Laplacian is +-4 at every pixel


def test_a_long_clip_is_measured_as_its_frames_are_wherever_it_is_cut_for_memory() -> None:
    clip = torch.randint(0, 256, (37, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    curves = clip_curves(clip)
    assert {curve.name: 37 - curve.first_frame for curve in CURVES} == {name: len(y) for name, y in curves.items()}
    pixels = clip.double() / 255
    expected = (pixels[1:] - pixels[:-1]).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(curves["motion energy"], expected, rtol=1e-5)


def test_curves_to_the_real_clip() -> None:
    curves = curves_to_real(grey(0, 51, 255), grey(0, 102, 0))
    np.testing.assert_allclose(curves["difference to real"], [0, 0.2, 1], atol=1e-6)
    assert curves["PSNR to real"] == pytest.approx([100, -10 * np.log10(0.04), 0], abs=1e-4)
