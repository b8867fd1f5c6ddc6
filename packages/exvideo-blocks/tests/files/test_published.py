"""The authors' checkpoint: its 528 names and shapes at full size, and its values through a small model."""

import json
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    export_published,
    extend,
    load_extension,
    load_published,
    restore,
    save_extension,
)
from exvideo_blocks.files.published import published_names
from safetensors.torch import load_file, save_file
from torch import Tensor

MakeUnet = Callable[..., Any]
ORACLE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "published_svd_128f_keys.json").read_text())


@pytest.fixture(scope="module")
def svd_xt() -> Extension:
    """The published extension of SVD-XT, without its weights."""
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(num_frames=25)
    return extend(unet, ExtensionConfig(num_frames=128))


def test_every_published_tensor_has_its_place_and_its_shape(svd_xt: Extension) -> None:
    names, parameters = published_names(svd_xt), svd_xt.named_parameters()
    assert len(names) == 528
    assert {theirs: list(parameters[ours].shape) for theirs, ours in names.items()} == {
        theirs: shape for theirs, (_, shape) in ORACLE["tensors"].items()
    }
    assert sorted(names.values()) == sorted(parameters)
    shared = {theirs: ours for theirs, (ours, _) in ORACLE["tensors"].items() if ours is not None}
    assert {theirs: names[theirs] for theirs in shared} == shared
    assert sum(parameters[ours].numel() for ours in names.values()) == ORACLE["total_parameters"]


def test_what_the_extension_adds_is_at_its_own_site(svd_xt: Extension) -> None:
    added = {theirs for theirs, (ours, _) in ORACLE["tensors"].items() if ours is None}
    expected = {}
    for site in ORACLE["sites"]:
        theirs, ours = f"blocks.{site['published_block']}", site["diffusers"]
        expected[f"{theirs}.positional_embedding.embeddings"] = f"{ours}.frame_table.weight"
        expected[f"{theirs}.positional_conv.weight"] = f"{ours}.identity_convs.0.weight"
        expected[f"{theirs}.positional_conv.bias"] = f"{ours}.identity_convs.0.bias"
    assert added == set(expected)
    names = published_names(svd_xt)
    assert {theirs: names[theirs] for theirs in added} == expected


def test_the_release_is_recognised_by_its_hash(svd_xt: Extension) -> None:
    """The authors' loader knows a file by the md5 of its names and shapes."""
    parameters = svd_xt.named_parameters()
    keys = []
    for theirs, ours in published_names(svd_xt).items():
        keys += [theirs, f"{theirs}:{'_'.join(str(size) for size in parameters[ours].shape)}"]
    assert md5(",".join(sorted(keys)).encode()).hexdigest() == ORACLE["md5_of_sorted_names_and_shapes"]


# --- values, on a small model of the same topology ------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_svd() -> Callable[[], Extension]:
    """Makes a narrow UNet with SVD's four levels of two layers, extended from 4 to 12 frames, equal each time."""
    from diffusers import UNetSpatioTemporalConditionModel

    def make() -> Extension:
        torch.manual_seed(0)
        unet = UNetSpatioTemporalConditionModel(
            num_frames=4, block_out_channels=(32, 32, 64, 64), num_attention_heads=(1, 1, 2, 2),
            cross_attention_dim=32, addition_time_embed_dim=32, projection_class_embeddings_input_dim=96,
        )  # fmt: skip
        return extend(unet, ExtensionConfig(num_frames=12))

    return make


@pytest.fixture(scope="module")
def released(small_svd: Callable[[], Extension]) -> dict[str, Tensor]:
    """Random fp16 values under the published names, in the shapes of the small model: each tensor is its own."""
    generator = torch.Generator().manual_seed(7)
    parameters, ours = small_svd().named_parameters(), oracle_names()
    return {theirs: torch.randn(parameters[name].shape, generator=generator).half() for theirs, name in ours.items()}


def oracle_names() -> dict[str, str]:
    """The 528 published names -> ours, from the facts and not from the code."""
    sites = {site["published_block"]: site["diffusers"] for site in ORACLE["sites"]}
    added = {
        "positional_embedding.embeddings": "frame_table.weight",
        "positional_conv.weight": "identity_convs.0.weight",
        "positional_conv.bias": "identity_convs.0.bias",
    }
    names = {}
    for theirs, (ours, _) in ORACLE["tensors"].items():
        _, block, rest = theirs.split(".", 2)
        names[theirs] = ours or f"{sites[int(block)]}.{added[rest]}"
    return names


def test_a_release_is_loaded_and_written_again_exactly(
    small_svd: Callable[[], Extension], released: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(released, tmp_path / "released.safetensors")
    extension = small_svd()
    load_published(extension, tmp_path / "released.safetensors")
    parameters = extension.named_parameters()
    assert all(torch.equal(parameters[ours], released[theirs].float()) for theirs, ours in oracle_names().items())

    export_published(extension, tmp_path / "ours.safetensors", dtype=torch.float16)
    written = load_file(tmp_path / "ours.safetensors")
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in written.items()} == {
        name: (tensor.dtype, tensor.shape) for name, tensor in released.items()
    }
    assert all(torch.equal(written[name], tensor) for name, tensor in released.items())


def test_through_our_own_format_it_is_the_same_model(
    small_svd: Callable[[], Extension], released: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(released, tmp_path / "released.safetensors")
    extension = small_svd()
    load_published(extension, tmp_path / "released.safetensors")
    save_extension(extension, tmp_path / "ours.safetensors")
    fresh = small_svd().model
    restore(fresh)
    loaded = load_extension(fresh, tmp_path / "ours.safetensors")
    export_published(loaded, tmp_path / "again.safetensors", dtype=torch.float16)
    again = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in released.items())


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_a_pickle_of_tensors_is_read(
    small_svd: Callable[[], Extension], released: dict[str, Tensor], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"released{suffix}"
    torch.save(released, path)
    extension = small_svd()
    load_published(extension, path)
    name = "blocks.195.attn1.to_out.weight"
    assert torch.equal(extension.named_parameters()[oracle_names()[name]], released[name].float())


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_of_anything_else_is_refused(small_svd: Callable[[], Extension], tmp_path: Path) -> None:
    extension = small_svd()
    torch.save({"a": Bomb(tmp_path / "exploded")}, tmp_path / "bomb.ckpt")
    with pytest.raises(ValueError, match=r"bomb.ckpt is truncated, or holds more than tensors") as error:
        load_published(extension, tmp_path / "bomb.ckpt")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "nested.ckpt")
    with pytest.raises(ValueError, match=r"nested.ckpt is no flat mapping of names to tensors"):
        load_published(extension, tmp_path / "nested.ckpt")
    torch.save({1: torch.zeros(1)}, tmp_path / "numbered.ckpt")
    with pytest.raises(ValueError, match=r"numbered.ckpt is no flat mapping of names to tensors"):
        load_published(extension, tmp_path / "numbered.ckpt")
    for contents in (b"", b"PK\x03\x04", b"not a checkpoint at all", b"\x80\x02.", b"\x80\x02K\x01K\x02s."):
        (tmp_path / "damaged.pth").write_bytes(contents)
        with pytest.raises(ValueError, match=r"damaged.pth is truncated, or holds more"):
            load_published(extension, tmp_path / "damaged.pth")
    with pytest.raises(ValueError, match=r"absent.pth is not a file: give the path of the authors' checkpoint"):
        load_published(extension, tmp_path / "absent.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "renamed.safetensors")
    with pytest.raises(ValueError, match=r"renamed.safetensors is a pickle of torch.save"):
        load_published(extension, tmp_path / "renamed.safetensors")


def test_tensors_that_do_not_fit_are_listed_by_the_published_names(
    small_svd: Callable[[], Extension], released: dict[str, Tensor], tmp_path: Path
) -> None:
    extension = small_svd()
    before = {name: value.detach().clone() for name, value in extension.named_parameters().items()}
    damaged = dict(released)
    del damaged["blocks.7.ff_in.bias"]
    damaged["blocks.8.ff_in.bias"] = torch.zeros(1)
    damaged["blocks.83.positional_embedding.embeddings"] = torch.zeros(128, 64)
    save_file(damaged, tmp_path / "damaged.safetensors")
    with pytest.raises(ValueError, match=r"damaged.safetensors lacks") as error:
        load_published(extension, tmp_path / "damaged.safetensors")
    assert "lacks 1 tensor of this extension (blocks.7.ff_in.bias)" in str(error.value)
    assert "has 1 tensor that this extension does not (blocks.8.ff_in.bias)" in str(error.value)
    assert "(blocks.83.positional_embedding.embeddings (128, 64) where the model has (12, 64))" in str(error.value)
    assert all(torch.equal(extension.named_parameters()[name], value) for name, value in before.items())


def test_only_the_published_kind_of_extension_fits(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    conv = extend(tiny_unet(), ExtensionConfig(num_frames=12, level="conv"))
    for function in (load_published, export_published):
        with pytest.raises(ValueError, match=r"at level 'conv': mount one with level='full'"):
            function(conv, tmp_path / "file.safetensors")
    from diffusers import UNetSpatioTemporalConditionModel

    config = dict(tiny_unet().config) | {"transformer_layers_per_block": (2, 1)}
    stacked = extend(UNetSpatioTemporalConditionModel(**config), ExtensionConfig(num_frames=12))
    with pytest.raises(ValueError, match=r"blocks.1.norm_in.weight' has no place in the published format"):
        export_published(stacked, tmp_path / "file.safetensors")
    assert list(tmp_path.iterdir()) == []
