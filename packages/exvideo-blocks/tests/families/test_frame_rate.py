"""A base that is told a frame rate can be told the one at which its own frames last as long as the extension's."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    ExtensionConfig,
    export_published,
    extend,
    extension_of,
    lengthen,
    load_extension,
    restore,
    save_extension,
)
from exvideo_blocks.families.svd.frame_rate import share_of_rate
from torch import Tensor

MakeUnet = Callable[..., Any]
FPS, LONG = 8.0, 15  # of a base of 8 frames: twice as long, so told half the rate
SPREAD = ExtensionConfig(LONG, positions="interpolated", frame_rate="interpolated")


def run(unet: Any, fps: float, frames: int = LONG, by_name: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    sample, context = torch.randn(1, frames, 8, 4, 6, generator=generator), torch.randn(1, 1, 32, generator=generator)
    ids = torch.tensor([[fps - 1, 127.0, 0.02]])
    told: Any = {"added_time_ids": ids} if by_name else {}
    with torch.no_grad():
        return unet(sample, torch.tensor(0.3), context, *(() if by_name else (ids,)), **told).sample


def of_own_rate(unet: Any) -> Any:
    extend(unet, ExtensionConfig(LONG, positions="interpolated"))
    return unet


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("frames", [8, LONG])
def test_it_is_told_the_rate_at_which_the_bases_frames_last_as_long(
    tiny_unet: MakeUnet, frames: int, by_name: bool
) -> None:
    unet, plain = tiny_unet(), of_own_rate(tiny_unet())
    extend(unet, SPREAD)
    assert torch.equal(run(unet, FPS, frames, by_name), run(plain, FPS * 7 / (LONG - 1), frames))
    assert not torch.equal(run(unet, FPS, frames, by_name), run(plain, FPS, frames))


def test_the_base_beneath_is_told_the_clips_own(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet().requires_grad_(False)  # as extended, by which PyTorch chooses kernels
    before = run(unet, FPS)
    extension = extend(unet, SPREAD)
    with extension.disabled():
        assert torch.equal(run(unet, FPS), before)
    assert not torch.equal(run(unet, FPS), before)
    copied = copy.deepcopy(unet)
    assert torch.equal(run(copied, FPS), run(unet, FPS))
    restore(unet)
    assert torch.equal(run(unet, FPS), before)
    assert not unet._forward_pre_hooks
    assert torch.equal(run(of_own_rate(tiny_unet()), FPS / 2), run(copied, FPS))


def test_the_published_method_rewrites_nothing(tiny_unet: MakeUnet) -> None:
    assert not of_own_rate(tiny_unet())._forward_pre_hooks


def test_a_file_says_so(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    unet, again = tiny_unet(), tiny_unet()
    save_extension(extend(unet, SPREAD), tmp_path / "e.safetensors")
    assert load_extension(again, tmp_path / "e.safetensors").config == SPREAD
    assert torch.equal(run(again, FPS), run(unet, FPS))


def test_a_longer_extension_is_told_the_rate_of_its_own_length(tiny_unet: MakeUnet) -> None:
    unet = tiny_unet()
    extend(unet, SPREAD)
    assert lengthen(unet, 29).config.frame_rate == "interpolated"
    plain = of_own_rate(tiny_unet())
    lengthen(plain, 29)
    assert torch.equal(run(unet, FPS, 29), run(plain, FPS / 4, 29))


def test_the_authors_format_has_no_place_for_it(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    unet = tiny_unet()
    with pytest.raises(ValueError, match=r"cannot say frame_rate='interpolated'.*save_extension"):
        export_published(extend(unet, SPREAD), tmp_path / "e.safetensors")
    assert not [*tmp_path.iterdir()]


def test_a_family_that_is_told_no_rate_refuses_it(
    tiny_motion_unet: MakeUnet, make_transformer: Callable[..., Any]
) -> None:
    for model in (tiny_motion_unet(), make_transformer("wan")):
        with pytest.raises(ValueError, match=r"frame_rate='interpolated' is for a model that is told a frame rate"):
            extend(model, ExtensionConfig(85, "position", "continued", base_frames=5, frame_rate="interpolated"))
        assert extension_of(model) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_other_numbers_and_the_dtype_stay(dtype: torch.dtype) -> None:
    ids = torch.tensor([[7.0, 180.0, 0.02], [23.0, 3.0, 0.0]], dtype=dtype)
    told = share_of_rate(ids, 0.5)
    assert told.dtype is dtype
    assert torch.equal(told[:, 1:], ids[:, 1:])
    assert told[:, 0].tolist() == [3.0, 11.0]
