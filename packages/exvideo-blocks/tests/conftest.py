"""Fixtures for the tests of exvideo-blocks; the small SVD base is in the root's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def _peft_where_lora_is_tested(request: pytest.FixtureRequest) -> None:
    call = getattr(request.node, "callspec", None)
    if call is not None and call.params.get("level") == "lora":
        pytest.importorskip("peft", reason="the level lora needs the extra exvideo-blocks[lora]")


@pytest.fixture
def tiny_motion_unet() -> Callable[..., Any]:
    """Makes a small random AnimateDiff UNet: tiny_motion_unet(seed=0, motion_max_seq_length=24, ...)."""
    from diffusers import UNetMotionModel

    def make(seed: int = 0, **options: Any) -> Any:
        config: dict[str, Any] = {
            "block_out_channels": (32, 64),
            "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
            "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "num_attention_heads": 2,
            "motion_num_attention_heads": 2,
            "motion_max_seq_length": 24,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return UNetMotionModel(**config | options).eval()

    return make
