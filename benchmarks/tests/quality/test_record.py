"""The record of a row: all that decided its clips."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exvideo_blocks import write_safetensors

from benchmarks.quality.methods import SHIPPED, methods
from benchmarks.quality.protocol import EMBEDDED, paper_sha256
from benchmarks.quality.record import MADE, base_sha256, check, deciding, made_with, note, weights_sha256

DIRECT = methods(Path())["direct"]


def weights(path: Path, value: float) -> Path:
    write_safetensors(path, {"x": torch.full((1,), value)}, {})
    return path


def test_all_that_decides_a_clip_is_told_and_of_each_method_its_own(tmp_path: Path) -> None:
    known = methods(tmp_path)
    told = {name: deciding(method, 40, EMBEDDED, "bfloat16") for name, method in known.items()}
    assert {one["base"] for one in told.values()} == {base_sha256(EMBEDDED)}
    trained = {name for name, one in told.items() if one["weights"] is not None}
    assert trained == {"exvideo", "exvideo-few", "exvideo-rife", "exvideo-chain"}
    assert told["exvideo-few"]["steps"] < told["exvideo"]["steps"]


def test_a_base_is_its_weights_and_not_the_extension_beside_them(tmp_path: Path) -> None:
    assert weights_sha256(SHIPPED) != base_sha256(EMBEDDED)
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for folder, value in ((one, 1.0), (same, 1.0), (other, 2.0)):
        weights(folder / "unet" / "w.safetensors", value)
    assert base_sha256(str(one)) == base_sha256(str(same)) != base_sha256(str(other))
    with pytest.raises(ValueError, match="is no folder of a base with weights in safetensors: give --base one"):
        base_sha256(str(tmp_path / "none"))


def test_weights_that_were_trained_anew_are_others(tmp_path: Path) -> None:
    path = weights(tmp_path / "extension.safetensors", 1.0)
    before = weights_sha256(path)
    assert weights_sha256(weights(path, 2.0)) != before
    assert weights_sha256(None) is None
    path.unlink()
    with pytest.raises(ValueError, match=r"extension\.safetensors is missing, by which clips were or are to be made"):
        weights_sha256(path)


def test_a_folder_without_clips_is_anyone_s_and_one_with_them_that_of_their_maker(tmp_path: Path) -> None:
    asked = deciding(DIRECT, 40, EMBEDDED, "bfloat16")
    check(tmp_path, asked)
    note(tmp_path, asked)
    check(tmp_path, asked)
    for changed in (replace(DIRECT, weights=SHIPPED), replace(DIRECT, steps=lambda frames: 3)):
        with pytest.raises(ValueError, match="remove that folder, or give --output another one"):
            check(tmp_path, deciding(changed, 40, EMBEDDED, "bfloat16"))
    with pytest.raises(ValueError, match="were made with num_frames 40, and num_frames is 80 now"):
        check(tmp_path, asked | {"num_frames": 80})
    (tmp_path / MADE).unlink()
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"made\.json cannot be read .* and its clips are made again"):
        check(tmp_path, asked)


def test_machines_and_protocols_are_those_of_all_that_made_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = deciding(DIRECT, 40, EMBEDDED, "bfloat16")
    for cpu in ("one", "other", "one"):
        monkeypatch.setattr("benchmarks.quality.record.cpu_name", lambda cpu=cpu: cpu)
        note(tmp_path, asked)
    assert made_with(tmp_path)["cpu"] == ["one", "other"]
    assert made_with(tmp_path)["protocol"] == [paper_sha256()]
    (tmp_path / MADE).write_text("{}")
    with pytest.raises(ValueError, match="does not tell what its clips were made with"):
        made_with(tmp_path)
