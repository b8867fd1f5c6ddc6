"""Stand-ins for published networks, as TorchScript that is called as those are, and folders of small clips."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.features.published.pinned import PinnedFile
from torch import Tensor, nn


class Recorder(nn.Module):
    """Answers with its flags and every value of its input: what a network is given can be read from its features."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        flags = torch.tensor([float(rescale), float(resize), float(return_features), float(x.dtype == torch.uint8)])
        return torch.cat([flags.expand(x.shape[0], 4), x.flatten(1).float()], dim=1)


class RecorderOfPictures(nn.Module):
    """The same in the manner of Inception-v3."""

    def forward(self, x: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        flags = torch.tensor([float(return_features), float(no_output_bias), float(x.dtype == torch.uint8)])
        return torch.cat([flags.expand(x.shape[0], 3), x.flatten(1).float()], dim=1)


class Small(nn.Module):
    """A few features a clip or picture that see brightness, contrast and change; called in any of the manners."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(
        self,
        x: Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
        no_output_bias: bool = False,
    ) -> Tensor:
        y = x.double()
        if x.dtype == torch.uint8:
            y = y / 127.5 - 1
        y = y.flatten(2)
        parts = [y.mean(dim=2), y.std(dim=2), y.abs().mean(dim=2), (y[:, :, 1:] - y[:, :, :-1]).abs().mean(dim=2)]
        features = self.scale * torch.cat(parts, dim=1)
        return features.softmax(dim=1) if no_output_bias else features


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[nn.Module], PinnedFile]:
    """script(module): it as a TorchScript file, pinned."""

    def save(module: nn.Module) -> PinnedFile:
        path = tmp_path_factory.mktemp("networks") / f"{type(module).__name__}.pt"
        torch.jit.script(module).save(str(path))
        return PinnedFile(str(path), hashlib.sha256(path.read_bytes()).hexdigest())

    return save


@pytest.fixture(scope="session")
def recorder(script: Callable[[nn.Module], PinnedFile]) -> PinnedFile:
    return script(Recorder())


@pytest.fixture(scope="session")
def recorder_of_pictures(script: Callable[[nn.Module], PinnedFile]) -> PinnedFile:
    return script(RecorderOfPictures())


@pytest.fixture(scope="session")
def small(script: Callable[[nn.Module], PinnedFile]) -> PinnedFile:
    return script(Small())


@pytest.fixture(scope="session")
def clip_sets(
    tmp_path_factory: pytest.TempPathFactory,
    write_video: Callable[..., Path],
    moving_clip: Callable[..., np.ndarray],
) -> Path:
    """A folder with real/ and generated/ (slower, darker), six clips of 20 frames of 32x48 each."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(6):
        frames = np.concatenate([moving_clip(seed, 20), moving_clip(seed + 10, 20)], axis=2)[:, :, :48]
        write_video(folder / "real" / f"{seed}.mp4", frames)
        write_video(folder / "generated" / f"{seed}.mp4", frames[np.arange(20) // 2] // 4 * 3)
    return folder
