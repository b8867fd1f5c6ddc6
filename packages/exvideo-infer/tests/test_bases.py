import json
import shutil
from inspect import signature
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableVideoDiffusionPipeline
from exvideo_infer import BaseModelError, ExVideoPipeline, embedded, load_base, register_base
from exvideo_infer.bases.sampling_defaults import read_sampling_defaults
from exvideo_infer.pipeline_parts import STOCK_SIZE
from transformers import CLIPTextConfig, CLIPTextModelWithProjection


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


@pytest.mark.parametrize("kind", ["image", "text", "animatediff"])
def test_encoding_settings_are_those_of_all_parts_that_encode_wherever_they_lie(
    kind: str, tiny_base_dir: Path, tiny_animatediff_dir: Path, tmp_path: Path
) -> None:
    here = {"image": tiny_base_dir, "text": embedded.directory(), "animatediff": tiny_animatediff_dir}[kind]
    parts = {
        "image": {"vae", "image_encoder", "feature_extractor"},
        "text": {"vae", "image_encoder", "feature_extractor", "text_encoder"},
        "animatediff": {"vae", "text_encoder"},
    }[kind]
    shutil.copytree(here, tmp_path / "elsewhere")
    config = tmp_path / "elsewhere" / "vae" / "config.json"
    values = json.loads(config.read_text())
    del values["force_upcast"]  # a default, and listed as one by diffusers
    config.write_text(json.dumps(values | {"_diffusers_version": "0.1"}))
    settings, elsewhere = load_base(here).encoding_settings, load_base(tmp_path / "elsewhere").encoding_settings
    assert set(settings) == parts
    assert settings["vae"]["scaling_factor"] == values["scaling_factor"]
    if "feature_extractor" in parts:
        assert {"image_mean", "image_std", "size", "resample"} < set(settings["feature_extractor"])
    elsewhere["vae"]["force_upcast"] = settings["vae"]["force_upcast"]
    assert json.dumps(settings, sort_keys=True) == json.dumps(elsewhere, sort_keys=True)
    assert str(here) not in json.dumps(settings)


def test_a_folder_of_one_variant_says_so(tiny_base_dir: Path, tmp_path: Path) -> None:
    halves = tmp_path / "halves"
    shutil.copytree(tiny_base_dir, halves)
    for weights in halves.glob("*/*.safetensors"):
        weights.rename(weights.with_name(f"{weights.stem}.fp16.safetensors"))
    assert "variant fp16 alone, and no variant was asked for: give variant='fp16'" in refusal(halves)
    base = load_base(halves, variant="fp16")
    for name, value in load_base(tiny_base_dir).unet.state_dict().items():
        assert torch.equal(base.unet.state_dict()[name], value)


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
    (tmp_path / "model_index.json").write_text("{}")
    assert f"{tmp_path} is of None: give a base of StableVideoDiffusionPipeline" in refusal(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_')
    assert "cannot be loaded, its files are damaged or missing" in refusal(tmp_path)


def test_a_truncated_network(tiny_base_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "base"
    shutil.copytree(tiny_base_dir, broken)
    weights = next((broken / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(broken)


def test_the_embedded_model_is_named_before_a_folder_of_that_name(
    text_base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "embedded").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedded, "directory", lambda: tmp_path / "nowhere")
    with pytest.raises(BaseModelError, match="nowhere: install exvideo-infer"):
        load_base("embedded")
    monkeypatch.setattr(embedded, "directory", lambda: text_base_dir)
    assert load_base("embedded").directory == text_base_dir


def test_a_folder_reads_text_with_both_parts_or_not_at_all(
    text_base_dir: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    assert load_base(text_base_dir).tokenizer is not None
    assert load_base(tiny_base_dir).tokenizer is None
    half = tmp_path / "half"
    shutil.copytree(text_base_dir, half)
    shutil.rmtree(half / "tokenizer")
    assert "text_encoder/ alone" in refusal(half)


def test_parts_that_do_not_fit_each_other(text_base_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(text_base_dir, other)
    shutil.rmtree(other / "text_encoder")
    CLIPTextModelWithProjection(CLIPTextConfig(vocab_size=12, hidden_size=64, num_hidden_layers=1)).save_pretrained(
        other / "text_encoder"
    )
    assert "width 64, its UNet's cross-attention 32" in refusal(other)
    shutil.rmtree(other / "text_encoder")
    shutil.rmtree(other / "tokenizer")
    with pytest.raises(BaseModelError, match=r"text_to_image/unet/ of .* needs a text encoder"):
        ExVideoPipeline.from_pretrained(other)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", r"has \[\] where it should have an object"),
        ('{"steps": 3}', "unknown key 'steps'"),
        ('{"fps": "8"}', "'8' for fps"),
        ('{"text_to_image": {"fps": 8}}', "unknown key 'fps'"),
    ],
)
def test_a_damaged_recommendation_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "sampling.json").write_text(text)
    with pytest.raises(BaseModelError, match=complaint):
        read_sampling_defaults(tmp_path)


def test_without_a_recommendation_the_defaults_are_stable_video_diffusions(tmp_path: Path) -> None:
    defaults = read_sampling_defaults(tmp_path)
    call = signature(StableVideoDiffusionPipeline.__call__).parameters
    given = dict(vars(defaults))
    assert given.pop("text_to_image") == {}
    assert (given.pop("height"), given.pop("width")) == (None, None)  # what a pipeline then takes is diffusers' own
    assert (call["height"].default, call["width"].default) == STOCK_SIZE
    assert given == {name: call[name].default for name in given}


def test_a_scheduler_of_another_prediction_than_the_network_s_is_refused_by_name(
    tiny_base_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_base_dir, tmp_path / "base")
    DDIMScheduler().save_pretrained(tmp_path / "base" / "scheduler")
    index = json.loads((tiny_base_dir / "model_index.json").read_text()) | {"scheduler": ["diffusers", "DDIMScheduler"]}
    (tmp_path / "base" / "model_index.json").write_text(json.dumps(index))
    complaint = (
        "a DDIMScheduler, has prediction_type='epsilon', but Stable Video Diffusion models predict 'v_prediction'"
    )
    assert complaint in refusal(tmp_path / "base")


def test_a_class_of_bases_is_taken_once() -> None:
    with pytest.raises(ValueError, match="Bases of StableVideoDiffusionPipeline are registered already: choose"):
        register_base("StableVideoDiffusionPipeline", lambda *args: None)
