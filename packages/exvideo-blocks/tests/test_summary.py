"""The cost of an extension, against the table that is published with the method and against real files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension, summarize
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.summary import Summary

MakeUnet = Callable[..., Any]


def svd_xt(level: str = "full", context_tokens: int | None = None) -> Summary:
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(num_frames=25)
    return summarize(extend(unet, ExtensionConfig(num_frames=128, level=level)), context_tokens)


def test_the_numbers_of_svd_xt() -> None:
    summary = svd_xt()
    assert (summary.base, summary.total, summary.trained) == (1_524_623_082, 1_860_773_802, 832_956_800)
    assert summary.learning == summary.trained
    millions = {group.name: round(group.trained / 1e6, 2) for group in summary.groups}
    assert millions == {
        "frame tables": 1.60,
        "identity convolutions": 334.55,
        "time_pos_embed": 99.19,
        "temporal attn1": 49.57,
        "temporal attn2": 50.35,
        "temporal feed-forwards": 297.59,
        "temporal norms": 0.10,
        "everything else": 0.0,
    }
    assert [round(summary.file_bytes(dtype) / 1e9, 2) for dtype in (torch.float32, torch.float16)] == [3.33, 1.67]


def test_memory_of_a_training_step_at_the_size_of_svd_xt() -> None:
    summary = svd_xt()
    trained, total, copied = 832_956_800, 1_860_773_802, 1_524_623_082 - 1_027_817_002
    state = summary.training_state("bf16")
    assert (state.weights, state.gradients, state.masters) == (2 * total, 2 * trained, 4 * trained)
    assert (state.moments, state.ema, state.kept_base) == (8 * trained, 4 * trained, 2 * copied)
    assert state.total == 2 * total + 18 * trained + 2 * copied
    assert summary.training_state("fp16") == state
    assert summary.training_state("fp32").total == 4 * total + 16 * trained + 4 * copied
    with pytest.raises(ValueError, match="precision='int8' is unknown: choose one of fp32, bf16, fp16"):
        summary.training_state("int8")


def test_what_cannot_learn_from_one_token_has_no_state() -> None:
    every, one = svd_xt(), svd_xt(context_tokens=1)
    # norm2, to_q and to_k of attn2: 2c + c * c + 1024c in each site of c channels
    dead = sum(sites * (2 * c + c * c + 1024 * c) for c, sites in ((320, 5), (640, 5), (1280, 6)))
    assert every.learning - one.learning == dead
    assert (one.trained, one.total) == (every.trained, every.total)
    assert every.training_state("fp32").total - one.training_state("fp32").total == 16 * dead


def test_the_printed_table_says_the_numbers() -> None:
    lines = str(svd_xt(context_tokens=1)).splitlines()
    assert lines[0] == "svd: 25 -> 128 frames, level full"
    assert [line.split() for line in lines if line.startswith("total")] == [["total", "832,956,800", "1,027,817,002"]]
    assert "base 1,524,623,082; extended 1,860,773,802; 832,956,800 trained, 44.8%" in lines
    assert "807,761,920 of them can learn" in lines
    assert "file: fp32 3.33 GB, bf16 1.67 GB, fp16 1.67 GB" in lines


@pytest.mark.parametrize("level", LEVELS)
def test_at_every_level_the_counts_are_those_of_the_model(tiny_unet: MakeUnet, tmp_path: Path, level: str) -> None:
    unet = tiny_unet()
    base = sum(parameter.numel() for parameter in unet.parameters())
    extension = extend(unet, ExtensionConfig(num_frames=12, level=level))
    summary = summarize(extension)
    counts = {True: 0, False: 0}
    for parameter in unet.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    assert summary.base == base
    assert (summary.trained, summary.total) == (counts[True], counts[True] + counts[False])
    for dtype in (torch.float32, torch.bfloat16):
        save_extension(extension, tmp_path / "e.safetensors", dtype=dtype)
        assert 0 < (tmp_path / "e.safetensors").stat().st_size - summary.file_bytes(dtype) < 100_000


def test_the_small_levels_are_counted_under_their_own_names(tiny_unet: MakeUnet) -> None:
    attention = summarize(extend(tiny_unet(), ExtensionConfig(num_frames=12, level="attention")))
    trained = {group.name for group in attention.groups if group.trained}
    assert trained == {"frame tables", "identity convolutions", "temporal attn1", "temporal norms"}
    lora = summarize(extend(tiny_unet(), ExtensionConfig(num_frames=12, level="lora")))
    trained = {group.name for group in lora.groups if group.trained}
    assert trained == {"LoRA", "frame tables", "temporal norms"}
