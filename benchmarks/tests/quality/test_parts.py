"""Levels by parts: each part of a temporal site alone, and all of them but one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, load_extension, restore, save_extension

from benchmarks.quality.parts import ATTENTION, FEED_FORWARD, PARTS

pytestmark = pytest.mark.usefixtures("registered")


def names_of(pipe: Any, level: str) -> set[str]:
    extension = extend(pipe.unet, ExtensionConfig(12, level, "continued"))
    names = set(extension.trainable_parameters(context_tokens=29))
    restore(pipe.unet)
    return names


def parts_of(names: set[str]) -> set[str]:
    inside = {name.partition("temporal_transformer_blocks.0.")[2].partition(".")[0] for name in names}
    return inside - {""}


def test_what_is_alone_is_alone(pipe: Any) -> None:
    assert parts_of(names_of(pipe, "only-attention")) == set(ATTENTION)
    assert parts_of(names_of(pipe, "only-feed-forward")) == set(FEED_FORWARD)
    assert all(".identity_convs." in name for name in names_of(pipe, "only-conv"))
    assert all(name.endswith("frame_table.weight") for name in names_of(pipe, "position"))


def test_what_is_left_out_is_all_that_is_left_out(pipe: Any) -> None:
    every = names_of(pipe, "full")
    assert {name for name in every if "frame_table" in name} == every - names_of(pipe, "without-table")
    assert parts_of(every - names_of(pipe, "without-attention")) == set(ATTENTION)
    assert parts_of(every - names_of(pipe, "without-feed-forward")) == set(FEED_FORWARD)
    assert all("frame_table" in name or "identity_convs" in name for name in every - names_of(pipe, "old-parts"))
    assert names_of(pipe, "without-table") < every


@pytest.mark.parametrize("level", PARTS)
def test_a_fresh_one_computes_what_the_base_does_and_comes_back_from_a_file(
    level: str, pipe: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    given = (torch.randn(1, 8, 16, 8, 8), torch.tensor(0.5), torch.randn(1, 29, 64), torch.zeros(1, 3))
    with torch.no_grad():
        base = pipe.unet(*given).sample
        extension: Extension = extend(pipe.unet, ExtensionConfig(12, level, "continued"))
        torch.testing.assert_close(pipe.unet(*given).sample, base)
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05)
        changed = pipe.unet(*given).sample
        assert (changed - base).abs().max() > 1e-4
        save_extension(extension, tmp_path / "x.safetensors")
        restore(pipe.unet)
        assert load_extension(pipe.unet, tmp_path / "x.safetensors").config.level == level
        torch.testing.assert_close(pipe.unet(*given).sample, changed)
