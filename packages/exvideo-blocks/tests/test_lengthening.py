"""Extending an extension again: nothing of what it learned is lost."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    extend,
    extension_of,
    lengthen,
    load_extension,
    restore,
    save_extension,
)
from exvideo_blocks.families import svd
from exvideo_blocks.layers import FrameTable
from exvideo_blocks.positions import reflected_positions
from torch import Tensor

MakeUnet = Callable[..., Any]
TABLE = "mid_block.attentions.0.frame_table.weight"


def run(unet: Any, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    sample, context = torch.randn(1, frames, 8, 4, 6, generator=generator), torch.randn(1, 1, 32, generator=generator)
    with torch.no_grad():
        return unet(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]])).sample


def trained(unet: Any, num_frames: int = 12, **options: Any) -> Extension:
    extension = extend(unet, ExtensionConfig(num_frames=num_frames, **options))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return extension


@pytest.mark.parametrize("level", ["full", "lora"])
@pytest.mark.parametrize("positions", ["reflected", "continued"])
def test_a_longer_extension_computes_what_the_shorter_one_did(tiny_unet: MakeUnet, positions: str, level: str) -> None:
    unet = tiny_unet()
    trained(unet, level=level)
    before = [run(unet, frames) for frames in (1, 9, 12)]
    extension = lengthen(unet, 24, positions)
    assert extension is extension_of(unet)
    assert (extension.config.num_frames, extension.config.level, extension.base_frames) == (24, level, 8)
    assert all(torch.equal(run(unet, frames), old) for frames, old in zip((1, 9, 12), before, strict=True))
    assert run(unet, 24).shape[1] == 24


@pytest.mark.parametrize("positions", ["reflected", "continued"])
def test_a_longer_motion_module_computes_what_the_shorter_one_did(tiny_motion_unet: MakeUnet, positions: str) -> None:
    def noise(frames: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        video = torch.randn(1, 4, frames, 4, 6, generator=generator)
        words = torch.randn(1, 3, 32, generator=generator).repeat(frames, 1, 1)
        with torch.no_grad():
            return unet(video, torch.tensor(7), words).sample

    unet = tiny_motion_unet(motion_max_seq_length=4)
    tables = {name: value for name, value in trained(unet).named_parameters().items() if "frame_table" in name}
    before = [noise(frames) for frames in (1, 9, 12)]
    longer = lengthen(unet, 24, positions).named_parameters()
    assert all(torch.equal(noise(frames), old) for frames, old in zip((1, 9, 12), before, strict=True))
    assert noise(24).shape[2] == 24
    if positions == "reflected":
        assert all(torch.equal(longer[name][12:14], value[[10, 9]]) for name, value in tables.items())


def test_reflected_rows_are_the_trained_ones_again(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    old = trained(unet).named_parameters()[TABLE].detach().clone()
    new = lengthen(unet, 30).named_parameters()[TABLE]
    assert torch.equal(new, old[[int(position) for position in reflected_positions(12, 30)]])


def test_interpolated_rows_run_from_the_first_to_the_last_trained_one(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    old = trained(unet, positions="interpolated").named_parameters()[TABLE].detach().clone()
    new = lengthen(unet, 23).named_parameters()[TABLE]  # the extension's own rule; 12 rows become every other one
    torch.testing.assert_close(new[::2], old)
    between = torch.stack([(a + b) / 2 for a, b in itertools.pairwise(old)])
    torch.testing.assert_close(new[1::2], between)


def test_the_default_type_of_a_program_rounds_no_position(tiny_unet: MakeUnet) -> None:
    rows = []
    for default in (torch.float32, torch.bfloat16):
        unet = tiny_unet()
        trained(unet, positions="interpolated")
        torch.set_default_dtype(default)
        try:
            rows.append(lengthen(unet, 31).named_parameters()[TABLE])
        finally:
            torch.set_default_dtype(torch.float32)
    assert torch.equal(*rows)


def test_continued_rows_go_on_where_the_base_would(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    trained(unet, positions="continued")
    fresh = extend(tiny_unet(), ExtensionConfig(num_frames=20, positions="continued")).named_parameters()[TABLE]
    new = lengthen(unet, 20).named_parameters()[TABLE]
    assert torch.equal(new[12:], fresh[12:])


def test_it_is_saved_loaded_and_taken_off_like_any_other(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    unet, other, untouched = tiny_unet(), tiny_unet(), tiny_unet()
    trained(unet)
    extension = lengthen(unet, 20)
    assert all(parameter.requires_grad for parameter in extension.named_parameters().values())
    save_extension(extension, tmp_path / "e.safetensors")
    load_extension(other, tmp_path / "e.safetensors")
    assert torch.equal(run(other, 20), run(unet, 20))
    restore(unet)
    assert torch.equal(run(unet, 20), run(untouched, 20))


def test_what_cannot_be_lengthened_stays_as_it_was(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    with pytest.raises(ValueError, match="is not extended: call extend"):
        lengthen(unet, 24)
    extension = trained(unet)
    before = run(unet, 12)
    with pytest.raises(ValueError, match="num_frames=12 does not lengthen an extension of 12 frames"):
        lengthen(unet, 12)
    with pytest.raises(ValueError, match="positions='new' is unknown"):
        lengthen(unet, 24, "new")
    assert extension_of(unet) is extension
    assert torch.equal(run(unet, 12), before)


@pytest.mark.parametrize("failing", ["extended_site", "adapted_names"])
@pytest.mark.parametrize("is_on", [True, False])
def test_one_that_fails_leaves_the_shorter_one_as_it_was(
    tiny_unet: MakeUnet, monkeypatch: pytest.MonkeyPatch, failing: str, is_on: bool
) -> None:
    unet = tiny_unet()
    extension = trained(unet)
    learning = extension.trainable_parameters(context_tokens=1)
    before, values = run(unet, 12), {name: p.detach().clone() for name, p in unet.named_parameters()}
    if not is_on:
        extension.disable()
    with monkeypatch.context() as patch:
        patch.setattr(svd, failing, fail)
        with pytest.raises(MemoryError):
            lengthen(unet, 24)
    assert extension_of(unet) is extension
    assert extension.is_enabled == is_on
    extension.enable()
    assert torch.equal(run(unet, 12), before)
    assert all(torch.equal(p, values[name]) for name, p in unet.named_parameters())
    assert {name for name, p in unet.named_parameters() if p.requires_grad} == set(learning)
    assert lengthen(unet, 24).config.num_frames == 24


def test_one_that_fails_after_mounting_leaves_the_shorter_one_too(
    tiny_unet: MakeUnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = tiny_unet()
    extension = trained(unet)
    before = run(unet, 12)
    with monkeypatch.context() as patch:
        patch.setattr(FrameTable, "start_from", fail)
        with pytest.raises(MemoryError):
            lengthen(unet, 24)
    assert extension_of(unet) is extension
    assert torch.equal(run(unet, 12), before)
    restore(unet)
    assert torch.equal(run(unet, 12), run(tiny_unet(), 12))


def fail(*_: Any) -> Any:
    raise MemoryError


def test_one_that_is_off_is_lengthened_where_the_model_is_now(tiny_unet: MakeUnet) -> None:
    unet, other = tiny_unet(), tiny_unet()
    expected = (trained(unet), lengthen(unet, 24))[1].named_parameters()
    trained(other).disable()
    other.double()
    extension = lengthen(other, 24)
    assert extension.is_enabled
    assert {parameter.dtype for parameter in other.parameters()} == {torch.float64}
    for name, parameter in extension.named_parameters().items():
        torch.testing.assert_close(parameter, expected[name].double())


def test_the_shorter_one_does_not_come_back(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    shorter = trained(unet)
    with shorter.disabled():
        longer = lengthen(unet, 24)
    with pytest.raises(ValueError, match="This extension was taken off its model: mount one with extend"):
        shorter.enable()
    assert extension_of(unet) is longer
    assert unet.get_parameter(TABLE) is longer.named_parameters()[TABLE]
    assert run(unet, 24).shape[1] == 24
