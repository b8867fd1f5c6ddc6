import json
import shutil
from pathlib import Path

import pytest
import torch
from exvideo_infer.base_model import BaseModelError, load_base


def refusal(name: str | Path) -> str:
    with pytest.raises(BaseModelError) as caught:
        load_base(name, local_files_only=True)
    message = str(caught.value)
    assert str(name) in message
    assert "\n" not in message
    return message


def test_dtype_is_that_asked_for(tiny_base_dir: Path) -> None:
    base = load_base(tiny_base_dir, torch.bfloat16)
    assert {base.unet.dtype, base.vae.dtype, base.image_encoder.dtype} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["missing", "./missing/base", "/missing/base", "a/b/c", "missing/"])
def test_a_missing_folder_is_not_sought_on_the_hub(name: str) -> None:
    assert "no folder" in refusal(name)


def test_a_missing_folder_in_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "no folder" in refusal("models/svd")


def test_a_hub_that_cannot_be_reached_is_one_sentence() -> None:
    assert "hub" in refusal("exvideo-test-nobody/no-such-model")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    assert "model_index.json" in refusal(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    assert "StableDiffusionPipeline" in refusal(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_')
    assert "cannot be read" in refusal(tmp_path)


def test_a_truncated_network(tiny_base_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "base"
    shutil.copytree(tiny_base_dir, broken)
    weights = next((broken / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(broken)
