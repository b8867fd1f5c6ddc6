import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from exvideo_eval.features.published import checkpoints
from exvideo_eval.features.published.i3d import InceptionI3d
from exvideo_eval.features.published.loading import load_network
from exvideo_eval.features.published.pinned import PinnedFile, file_sha256
from exvideo_eval.features.published.video_transformer import Shape
from exvideo_eval.features.published.vjepa import VJepa
from exvideo_eval.metrics.frechet import frechet_distance_of_features
from exvideo_eval.protocols.fvd import COMMON_METRICS
from exvideo_eval.protocols.pixels import network_input
from torch import Tensor, nn

I3D_FILE = "EXVIDEO_I3D"  # names the environment variable that holds the path of i3d_torchscript.pt


class Brightness(nn.Module):
    """400 numbers in I3D's manner: the mean level, so scaled that black and white are as far apart as I3D has them."""

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.scale = (distance / 400) ** 0.5 / 2

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return self.scale * x.float().mean(dim=[1, 2, 3, 4])[:, None].expand(x.shape[0], 400)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[nn.Module], PinnedFile]:
    def save(module: nn.Module) -> PinnedFile:
        path = tmp_path / "network.pt"
        torch.jit.script(module).save(str(path))
        return PinnedFile(str(path), file_sha256(path))

    return save


def test_a_network_that_answers_as_published_is_the_protocols_own(script: Callable[[nn.Module], PinnedFile]) -> None:
    loaded = load_network("i3d", {"i3d": script(Brightness(151.0))})
    assert loaded.is_own
    assert loaded.name == "I3D (Kinetics-400, TorchScript)"
    assert loaded.identity == "black and white clips are 151.00 apart, as published (151.26)"


def test_any_other_network_is_refused_unless_it_is_named(script: Callable[[nn.Module], PinnedFile]) -> None:
    file = script(Brightness(90.0))
    with pytest.raises(ValueError, match=r"is not I3D .*: it answers black and white clips 90.00 apart"):
        load_network("i3d", {"i3d": file})
    loaded = load_network("i3d", {"i3d": file}, {"i3d": "mean level"})
    assert (loaded.name, loaded.is_own, loaded.sha256) == ("mean level", False, file.sha256)


@pytest.mark.parametrize("sha256", ["", "0" * 64])
def test_nothing_is_opened_without_its_checksum(tmp_path: Path, sha256: str) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(b"code that must not run")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=found):
        load_network("c3d", {"c3d": PinnedFile(str(path), sha256)})


def test_a_network_that_is_not_given_is_asked_for_with_the_way_to_get_it() -> None:
    with pytest.raises(ValueError, match=r"get it from .*vith16.pth.tar.* --network-sha256 vjepa-h-probe=HEX"):
        load_network("vjepa-h", {"vjepa-h": PinnedFile("x", "")})
    with pytest.raises(ValueError, match="does not exist: give the path of a file"):
        load_network("c3d", {"c3d": PinnedFile("nowhere.pt", "0" * 64)})


def test_a_network_with_another_number_of_answers_is_refused(script: Callable[[nn.Module], PinnedFile]) -> None:
    loaded = load_network("c3d", {"c3d": script(Brightness(1.0))})
    with pytest.raises(
        ValueError, match=r"answers 2 samples by \(2, 400\), where its protocol needs 101 numbers for each"
    ):
        loaded(torch.zeros(2, 3, 16, 8, 8))


def test_checkpoints_are_read_without_running_code_and_checked_by_name_and_shape(tmp_path: Path) -> None:
    path = tmp_path / "i3d.pt"
    weights = InceptionI3d().state_dict()
    torch.save(weights, path)
    network = checkpoints.load_checkpoint("i3d-400", {"i3d-400": path})
    torch.testing.assert_close(dict(network.state_dict()), dict(weights))
    assert not network.training
    torch.save({key: value for key, value in weights.items() if key != "logits.conv3d.bias"}, path)
    with pytest.raises(ValueError, match=r"lacks 1 tensors \(logits.conv3d.bias\)"):
        checkpoints.load_checkpoint("i3d-400", {"i3d-400": path})
    torch.save({"model": nn.Linear(1, 1)}, path)  # a pickled object, which only code could bring back
    with pytest.raises(ValueError, match="is no checkpoint of tensors alone"):
        checkpoints.load_checkpoint("i3d-400", {"i3d-400": path})


def test_the_two_files_of_v_jepa_become_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the nesting and under the prefixes that the authors' files have."""
    shape = Shape(width=16, depth=1, heads=2, hidden=32, patch=16, key_bias=True)
    monkeypatch.setattr(checkpoints, "VJepa", lambda: VJepa(shape, size=32))
    weights = VJepa(shape, size=32).state_dict()
    encoder = {f"module.backbone.{key[8:]}": value for key, value in weights.items() if key.startswith("encoder.")}
    probe = {f"module.{key}": value for key, value in weights.items() if key.startswith("pooler.")}
    paths = {"vjepa-h": tmp_path / "vith16.pth.tar", "vjepa-h-probe": tmp_path / "ssv2-probe.pth.tar"}
    torch.save({"target_encoder": encoder, "epoch": 300}, paths["vjepa-h"])
    torch.save({"classifier": probe | {"module.linear.weight": torch.zeros(174, 16)}}, paths["vjepa-h-probe"])
    network = checkpoints.load_checkpoint("vjepa-h", paths)
    torch.testing.assert_close(dict(network.state_dict()), dict(weights))


@pytest.mark.skipif(not os.environ.get(I3D_FILE), reason=f"{I3D_FILE} does not name an i3d_torchscript.pt")
def test_black_and_white_clips_are_as_far_apart_as_published() -> None:
    """8 clips of 30 frames of 64x64, all zeros and all ones: 151.26 by common-metrics, which varies by about 1."""
    path = Path(os.environ[I3D_FILE])
    network = load_network("i3d", {"i3d": PinnedFile(str(path), file_sha256(path))})
    rule = COMMON_METRICS.features
    sets = []
    for level in (0, 255):
        frames = torch.full((30, 3, 64, 64), level, dtype=torch.uint8)
        clip = network_input(frames, rule.pixels).transpose(0, 1)
        sets.append(network(clip.expand(8, -1, -1, -1, -1), **dict(rule.call)).numpy())
    assert frechet_distance_of_features(*sets) == pytest.approx(151.26, abs=1)
