import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    extend,
    extension_of,
    load_extension,
    read_extension_header,
    restore,
    save_extension,
    save_pretrained,
    summarize,
)
from exvideo_blocks.files.header import architecture_hash, header_of
from exvideo_blocks.files.tensors import assign
from exvideo_blocks.files.weights import read_safetensors, write_safetensors

MakeUnet = Callable[..., Any]


def trained_extension(unet: Any, level: str = "full") -> Extension:
    extension = extend(unet, ExtensionConfig(num_frames=12, level=level))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return extension


def test_header_says_what_the_file_is(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet())
    save_extension(extension, tmp_path / "e.safetensors")
    header = read_extension_header(tmp_path / "e.safetensors")
    assert header == header_of(extension)
    assert (header.family, header.base_frames, header.config) == ("svd", 8, extension.config)
    assert header.base_config["block_out_channels"] == [32, 64]


def test_a_file_remembers_how_it_was_trained_and_passes_it_on(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet())
    save_extension(extension, tmp_path / "silent.safetensors")
    assert "training" not in read_safetensors(tmp_path / "silent.safetensors")[1]
    assert load_extension(tiny_unet(), tmp_path / "silent.safetensors").training is None
    extension.training = {"fps": [24.0, 30.0], "sampling": {"fps": 27.0, "steps of another program": "many"}}
    save_extension(extension, tmp_path / "e.safetensors")
    assert read_extension_header(tmp_path / "e.safetensors").training == extension.training
    loaded = load_extension(tiny_unet(), tmp_path / "e.safetensors")
    assert loaded.training == extension.training
    save_pretrained(loaded, tmp_path / "again")
    assert read_extension_header(tmp_path / "again").training == extension.training
    card = (tmp_path / "again" / "README.md").read_text()
    assert "| trained: fps | [24.0, 30.0] |" in card
    assert "| trained: sampling: fps | 27.0 |" in card

    tensors, metadata = read_safetensors(tmp_path / "e.safetensors")
    assert metadata["format_version"] == "2"  # readers of before look at their own keys alone
    write_safetensors(tmp_path / "damaged.safetensors", tensors, metadata | {"training": "[1]"})
    with pytest.raises(ValueError, match="config, base_config and training must be JSON objects"):
        read_extension_header(tmp_path / "damaged.safetensors")


def test_every_setting_is_in_the_file_and_comes_back(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    config = ExtensionConfig(num_frames=12, level="conv", positions="interpolated")
    others = {field.name for field in fields(ExtensionConfig)} - {"num_frames", "level", "positions"}
    save_extension(extend(tiny_unet(), config), tmp_path / "e.safetensors")
    _, metadata = read_safetensors(tmp_path / "e.safetensors")
    written = json.loads(metadata["config"])
    assert written == {"num_frames": 12, "level": "conv", "positions": "interpolated"} | {
        name: getattr(config, name) for name in others
    }
    assert load_extension(tiny_unet(), tmp_path / "e.safetensors").config == config


def test_other_values_and_types_can_be_saved(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet())
    name = "mid_block.attentions.0.frame_table.weight"
    save_extension(
        extension, tmp_path / "e.safetensors", tensors={name: torch.full((12, 64), 0.5)}, dtype=torch.float16
    )
    tensors, _ = read_safetensors(tmp_path / "e.safetensors")
    assert set(tensors) == set(extension.named_parameters())
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert (tensors[name] == 0.5).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_saved_type_is_loaded_in_the_type_of_the_model(
    tiny_unet: MakeUnet, tmp_path: Path, dtype: torch.dtype
) -> None:
    extension = trained_extension(tiny_unet())
    save_extension(extension, tmp_path / "e.safetensors", dtype=dtype)
    loaded = load_extension(tiny_unet(), tmp_path / "e.safetensors").named_parameters()
    for name, parameter in extension.named_parameters().items():
        assert torch.equal(loaded[name], parameter.to(dtype).to(parameter.dtype))


@pytest.mark.parametrize("level", ["full", "position"])
def test_values_that_the_model_could_not_hold_are_not_loaded(tiny_unet: MakeUnet, tmp_path: Path, level: str) -> None:
    extension = trained_extension(tiny_unet(), level)
    name = "mid_block.attentions.0.frame_table.weight"
    with torch.no_grad():
        extension.named_parameters()[name][3, 5] = 70_000.0
    save_extension(extension, tmp_path / "e.safetensors")
    half = tiny_unet().half()
    before = {name: value.clone() for name, value in half.state_dict().items()}
    message = rf"in the model's type, has values that are not finite in 1 tensor \({name}\): load it on a model in"
    with pytest.raises(ValueError, match=message):
        load_extension(half, tmp_path / "e.safetensors")
    assert half.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in half.state_dict().items())
    load_extension(tiny_unet().to(torch.bfloat16), tmp_path / "e.safetensors")


def test_what_cannot_be_written_is_one_sentence(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet(), "position")
    with pytest.raises(ValueError, match=rf"{tmp_path} is a folder, where a file is to be written: give the path"):
        save_extension(extension, tmp_path)
    extension.model.to("meta")
    with pytest.raises(ValueError, match="The model is on the meta device, so there are no values to write to"):
        save_extension(extension, tmp_path / "e.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_values_that_the_file_could_not_hold_are_not_written(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet(), "position")
    name = "mid_block.attentions.0.frame_table.weight"
    with torch.no_grad():
        extension.named_parameters()[name][3, 5] = 70_000.0
    with pytest.raises(ValueError, match=rf"not finite in 1 tensor \({name}\).*torch.bfloat16"):
        save_extension(extension, tmp_path / "e.safetensors", dtype=torch.float16)
    with pytest.raises(ValueError, match=r"dtype=torch.int8 is none of torch.float32"):
        save_extension(extension, tmp_path / "e.safetensors", dtype=torch.int8)
    assert list(tmp_path.iterdir()) == []
    save_extension(extension, tmp_path / "e.safetensors", dtype=torch.bfloat16)


def test_options_that_another_version_of_diffusers_wrote_otherwise(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    save_extension(trained_extension(tiny_unet(), "position"), tmp_path / "e.safetensors")
    tensors, metadata = read_safetensors(tmp_path / "e.safetensors")
    written = json.loads(metadata["base_config"])

    def load(**options: Any) -> Extension:
        base = {name: value for name, value in (written | options).items() if value is not None}
        changed = {"base_config": json.dumps(base), "base_config_hash": architecture_hash(base)}
        write_safetensors(tmp_path / "other.safetensors", tensors, metadata | changed)
        return load_extension(tiny_unet(), tmp_path / "other.safetensors")

    assert (written["layers_per_block"], written["in_channels"]) == (1, 8)
    load(layers_per_block=[1, 1])
    load(in_channels=None)  # 8 is what the class takes where nothing is said
    for options, message in (
        ({"layers_per_block": [1, 2]}, r"layers_per_block \[1, 2\] there, 1 here"),
        ({"layers_per_block": None}, "layers_per_block 2 there, 1 here"),
        ({"num_frames": None}, "num_frames 25 there, 8 here"),
        ({"colour": "red"}, "colour red there, absent here"),
    ):
        with pytest.raises(ValueError, match=rf"was made for another base \({message}\): load the base"):
            load(**options)


def test_the_latent_size_is_not_part_of_the_base(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    save_extension(trained_extension(tiny_unet()), tmp_path / "e.safetensors")
    load_extension(tiny_unet(sample_size=32), tmp_path / "e.safetensors")


def test_everything_that_does_not_fit_is_listed(tiny_unet: MakeUnet) -> None:
    extension = trained_extension(tiny_unet(), "full")
    values = {name: value.detach().clone() for name, value in extension.named_parameters().items()}
    names = list(values)
    wrong = {name: values[name] for name in names[5:]} | {"stranger": torch.zeros(1), "other": torch.zeros(1)}
    wrong[names[5]] = torch.zeros(3, 3)
    wrong[names[6]] = values[names[6]].to(torch.int64)
    with pytest.raises(ValueError, match="a file lacks 5 tensors") as refusal:
        assign(extension.named_parameters(), wrong, "a file")
    text = str(refusal.value)
    assert f"lacks 5 tensors of this extension ({', '.join(names[:5])})" in text
    assert "has 2 tensors that this extension does not (stranger, other)" in text
    shape = tuple(values[names[5]].shape)
    assert f"has 1 tensor of another shape ({names[5]} (3, 3) where the model has {shape})" in text
    assert f"has 1 tensor of no floating type that is read ({names[6]} torch.int64)" in text
    assert all(torch.equal(extension.named_parameters()[name], value) for name, value in values.items())


def test_a_long_list_ends_in_a_count(tiny_unet: MakeUnet) -> None:
    extension = trained_extension(tiny_unet(), "full")
    names = list(extension.named_parameters())
    with pytest.raises(ValueError, match="lacks") as refusal:
        assign(extension.named_parameters(), {}, "nothing")
    assert f"{names[19]}, and {len(names) - 20} more)" in str(refusal.value)
    assert names[20] not in str(refusal.value)


# --- on and off ----------------------------------------------------------------------------------------------------


def clip(unet: Any, frames: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    sample = torch.randn(1, frames, 8, 8, 8, generator=generator)
    context = torch.randn(1, 1, 32, generator=generator)
    with torch.no_grad():
        return unet(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.0]])).sample


@pytest.mark.parametrize("level", ["full", "attention", "position"])
def test_off_is_the_base_and_on_again_what_was_trained(tiny_unet: MakeUnet, level: str) -> None:
    unet = tiny_unet().requires_grad_(False)  # PyTorch multiplies by frozen weights in a way that rounds differently
    base = clip(unet)
    extension = trained_extension(unet, level)
    trained, values = clip(unet), extension.named_parameters()
    assert not torch.equal(trained, base)
    with extension.disabled():
        assert not extension.is_enabled
        assert torch.equal(clip(unet), base)
        assert extension_of(unet) is extension
        assert not any(parameter.requires_grad for parameter in unet.parameters())
    assert extension.is_enabled
    assert torch.equal(clip(unet), trained)
    assert all(extension.named_parameters()[name] is value for name, value in values.items())
    assert all(value.requires_grad for value in values.values())


def test_switching_twice_is_switching_once(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extension = trained_extension(unet)
    trained = clip(unet)
    extension.enable()
    extension.disable()
    base = clip(unet)
    extension.disable()
    with extension.disabled():
        assert torch.equal(clip(unet), base)
    assert torch.equal(clip(unet), base)  # it was off before the block
    extension.enable()
    assert torch.equal(clip(unet), trained)


def test_an_error_within_disabled_enables_again(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extension = trained_extension(unet)
    with pytest.raises(ZeroDivisionError), extension.disabled():
        1 / 0  # noqa: B018
    assert extension.is_enabled


def test_a_disabled_extension_is_saved_counted_and_restored(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    unet = tiny_unet()
    base = clip(unet)
    extension = trained_extension(unet)
    trained, counted = clip(unet), summarize(extension)
    save_extension(extension, tmp_path / "on.safetensors")
    extension.disable()
    save_extension(extension, tmp_path / "off.safetensors")
    assert summarize(extension) == counted
    on, off = (read_safetensors(tmp_path / name) for name in ("on.safetensors", "off.safetensors"))
    assert on[1] == off[1]
    assert list(on[0]) == list(off[0])
    assert all(torch.equal(on[0][name], off[0][name]) for name in on[0])
    restore(unet)
    assert torch.equal(clip(unet), base)
    assert all(parameter.requires_grad for parameter in unet.parameters())
    load_extension(unet, tmp_path / "off.safetensors")
    assert torch.equal(clip(unet), trained)


def test_what_is_off_follows_the_model(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extension = trained_extension(unet)
    extension.disable()
    unet.train().double()
    unet.enable_gradient_checkpointing()
    extension.enable()
    site = unet.mid_block.attentions[0]
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float64}
    assert all(module.training for module in unet.modules())
    assert site.gradient_checkpointing
    unet.eval().float()
    extension.disable()
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float32}
    assert not any(module.training for module in unet.modules())
    assert unet.mid_block.attentions[0] is not site


def test_trained_weights_of_another_type_than_the_base_keep_it(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet().to(torch.bfloat16)
    extension = extend(unet, ExtensionConfig(num_frames=12))
    for parameter in extension.named_parameters().values():
        parameter.data = parameter.float() + 1e-4
    values = {name: value.detach().clone() for name, value in extension.named_parameters().items()}
    with extension.disabled():
        assert {parameter.dtype for parameter in unet.parameters()} == {torch.bfloat16}
    for name, value in extension.named_parameters().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, values[name])


@pytest.mark.parametrize("level", ["full", "attention", "lora"])
def test_a_motion_model_is_switched_saved_and_counted_alike(
    tiny_motion_unet: MakeUnet, tmp_path: Path, level: str
) -> None:
    def noise(unet: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(5)
        latents = torch.randn(1, 4, 8, 8, 8, generator=generator)
        words = torch.randn(8, 3, 32, generator=generator)
        with torch.no_grad():
            return unet(latents, torch.tensor(7), words).sample

    unet = tiny_motion_unet().requires_grad_(False)
    base, count = noise(unet), sum(parameter.numel() for parameter in unet.parameters())
    extension = extend(unet, ExtensionConfig(num_frames=24, level=level, lora_rank=5))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1)
    trained = noise(unet)
    assert not torch.equal(trained, base)
    with extension.disabled():
        assert torch.equal(noise(unet), base)
    assert torch.equal(noise(unet), trained)
    summary = summarize(extension)
    assert summary.base == count
    assert summary.trained == sum(parameter.numel() for parameter in extension.named_parameters().values())
    assert {group.name for group in summary.groups if group.trained} >= {"frame tables", "temporal norms"}
    save_pretrained(extension, tmp_path)
    assert "pipeline_tag: text-to-video" in (tmp_path / "README.md").read_text()
    other = tiny_motion_unet()
    assert load_extension(other, tmp_path).config == extension.config
    assert torch.equal(noise(other.requires_grad_(False)), noise(unet.requires_grad_(False)))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    write_safetensors(path, {"a": torch.ones(2)}, {})
    with pytest.raises(Exception, match="metadata"):
        write_safetensors(path, {"a": torch.zeros(2)}, {"number": 3})  # type: ignore[dict-item]
    assert read_safetensors(path)[0]["a"].tolist() == [1, 1]
    assert [f.name for f in tmp_path.iterdir()] == ["e.safetensors"]
