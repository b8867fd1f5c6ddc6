import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import BaseModelError
from exvideo_infer.bases.sampling_defaults import SamplingDefaults, write_sampling_defaults
from exvideo_infer.preview import MOST_FRAMES, Preview, fit_preview, load_preview, spread
from torch import Tensor, nn
from torch.nn import functional


class LinearVAE(nn.Module):
    """A decoder that is of a preview's form, so that the fit can be exact: two channels, two pixels a latent."""

    config = SimpleNamespace(scaling_factor=0.5)
    device, dtype = torch.device("cpu"), torch.float32

    def decode(self, latents: Tensor, num_frames: int) -> Any:
        red = latents[:, :1] * 0.1
        colours = torch.cat([red, latents[:, 1:] * 0.1, red * 0 + 0.2], dim=1)
        return SimpleNamespace(sample=functional.interpolate(colours, scale_factor=2, mode="nearest"))


def latents_of(seed: int) -> Tensor:
    return torch.randn(5, 2, 4, 6, generator=torch.Generator().manual_seed(seed)).clamp(-3, 3)


def test_a_linear_decoder_is_fitted_exactly(tmp_path: Path) -> None:
    fit_preview(LinearVAE(), (latents_of(seed) for seed in range(3))).save(tmp_path)
    preview = load_preview(tmp_path)
    assert preview is not None
    latents = latents_of(9)
    shown = preview(latents)
    assert shown.shape == (5, 8, 12, 3)
    expected = (LinearVAE().decode(latents / 0.5, 5).sample * 0.5 + 0.5).clamp(0, 1).movedim(1, -1) * 255
    assert np.abs(shown.astype(float) - expected.numpy()).max() <= 1


@pytest.mark.parametrize(
    "write",
    [
        Preview(torch.zeros(3, 4), torch.zeros(3)).save,
        partial(write_sampling_defaults, SamplingDefaults(fps=9)),
    ],
)
def test_what_cannot_be_written_whole_leaves_nothing(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str, **_: Any) -> None:
        path.write_bytes(text[:3].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_long_clip_is_shown_by_frames_from_the_first_to_the_last() -> None:
    shown = spread(torch.arange(1000.0))
    assert len(shown) == MOST_FRAMES
    assert (shown[0], shown[-1]) == (0, 999)
    assert (shown.diff() - 999 / (MOST_FRAMES - 1)).abs().max() <= 1
    assert spread(torch.arange(8.0)).tolist() == list(range(8))


def test_what_cannot_be_fitted_or_read_is_said(tmp_path: Path) -> None:
    assert load_preview(tmp_path) is None
    with pytest.raises(ValueError, match="fitted to 0 latents"):
        fit_preview(LinearVAE(), [])
    for content in ("{", "[]", '{"matrix": [[1, 2]], "bias": [0]}'):
        (tmp_path / "preview.json").write_text(content)
        with pytest.raises(BaseModelError, match="holds no matrix of 12 columns"):
            load_preview(tmp_path)
