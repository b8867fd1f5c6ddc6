from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, read_extension_header
from exvideo_blocks.weights import read_safetensors, write_safetensors

MakeUnet = Callable[..., Any]


def trained_extension(unet: Any, level: str = "full") -> Extension:
    extension = extend(unet, ExtensionConfig(num_frames=12, level=level))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return extension


@pytest.mark.parametrize("level", ["full", "position"])
def test_saved_and_loaded_is_the_same_model(tiny_unet: MakeUnet, tmp_path: Path, level: str) -> None:
    unet = tiny_unet()
    trained_extension(unet, level).save(tmp_path / "extension.safetensors")
    other = tiny_unet()
    loaded = Extension.load(tmp_path / "extension.safetensors", other)
    assert (loaded.config.num_frames, loaded.config.level, loaded.base_frames) == (12, level, 8)
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), other.parameters(), strict=True))
    assert [f.name for f in tmp_path.iterdir()] == ["extension.safetensors"]


def test_header_says_what_the_file_is(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet())
    extension.save(tmp_path / "e.safetensors")
    header = read_extension_header(tmp_path / "e.safetensors")
    assert header == extension.header()
    assert (header.family, header.base_frames, header.num_frames, header.level) == ("svd", 8, 12, "full")
    assert header.base_config["block_out_channels"] == [32, 64]


def test_other_values_and_types_can_be_saved(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    extension = trained_extension(tiny_unet())
    name = "mid_block.attentions.0.frame_table.weight"
    extension.save(tmp_path / "e.safetensors", tensors={name: torch.full((12, 64), 0.5)}, dtype=torch.float16)
    tensors, _ = read_safetensors(tmp_path / "e.safetensors")
    assert set(tensors) == set(extension.named_parameters())
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert (tensors[name] == 0.5).all()


def test_a_file_of_another_base_says_what_differs(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    trained_extension(tiny_unet()).save(tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match=r"another base \(num_frames 8 there, 10 here\)"):
        Extension.load(tmp_path / "e.safetensors", tiny_unet(num_frames=10))


def test_the_latent_size_is_not_part_of_the_base(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    trained_extension(tiny_unet()).save(tmp_path / "e.safetensors")
    Extension.load(tmp_path / "e.safetensors", tiny_unet(sample_size=32))


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(tiny_unet: MakeUnet, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "e.safetensors"
    trained_extension(tiny_unet(), "position").save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"e\.safetensors is truncated or not a safetensors file"):
        Extension.load(path, tiny_unet())


def test_files_that_are_no_extension(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        Extension.load(tmp_path / "absent.safetensors", tiny_unet())
    write_safetensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(ValueError, match="no ExVideo extension"):
        Extension.load(tmp_path / "other.safetensors", tiny_unet())
    torch.save({"a": torch.zeros(1)}, tmp_path / "pickle.safetensors")
    with pytest.raises(ValueError, match="not a safetensors file"):
        Extension.load(tmp_path / "pickle.safetensors", tiny_unet())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, name: tensors.pop(name), r"lacks 1 tensors"),
        (
            lambda tensors, name: tensors.update(stranger=torch.zeros(1)),
            "has 'stranger', which this extension does not",
        ),
        (lambda tensors, name: tensors.update({name: torch.zeros(3, 3)}), r"of shape \(3, 3\)"),
        (lambda tensors, name: tensors[name].fill_(float("nan")), "not finite"),
    ],
)
def test_damaged_contents_leave_the_model_as_it_was(
    tiny_unet: MakeUnet, tmp_path: Path, change: Callable[[dict[str, torch.Tensor], str], Any], message: str
) -> None:
    path = tmp_path / "e.safetensors"
    trained_extension(tiny_unet(), "position").save(path)
    tensors, metadata = read_safetensors(path)
    change(tensors, next(iter(tensors)))
    write_safetensors(path, tensors, metadata)
    unet, untouched = tiny_unet(), tiny_unet()
    with pytest.raises(ValueError, match=message):
        Extension.load(path, unet)
    assert list(unet.state_dict()) == list(untouched.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), untouched.parameters(), strict=True))


def test_a_newer_format_is_refused(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    trained_extension(tiny_unet(), "position").save(path)
    tensors, metadata = read_safetensors(path)
    write_safetensors(path, tensors, metadata | {"format_version": "2"})
    with pytest.raises(ValueError, match="has extension format 2, this version reads 1"):
        read_extension_header(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    write_safetensors(path, {"a": torch.ones(2)}, {})
    with pytest.raises(Exception, match="metadata"):
        write_safetensors(path, {"a": torch.zeros(2)}, {"number": 3})  # type: ignore[dict-item]
    assert read_safetensors(path)[0]["a"].tolist() == [1, 1]
    assert [f.name for f in tmp_path.iterdir()] == ["e.safetensors"]
