"""Fixtures for the tests of exvideo-blocks; the small SVD base is in the root's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch


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


@pytest.fixture
def make_base(tiny_motion_unet: Callable[..., Any]) -> Callable[[str, torch.dtype], Any]:
    """Makes a base model of 4 frames and one level: make_base("svd" or "animatediff", dtype)."""
    from diffusers import UNetSpatioTemporalConditionModel

    def make(family: str, dtype: torch.dtype) -> Any:
        if family == "animatediff":
            one_level = {"down_block_types": ["CrossAttnDownBlockMotion"], "up_block_types": ["CrossAttnUpBlockMotion"]}
            return tiny_motion_unet(motion_max_seq_length=4, block_out_channels=[32], **one_level).to(dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            config: dict[str, Any] = {
                "down_block_types": ["CrossAttnDownBlockSpatioTemporal"],
                "up_block_types": ["CrossAttnUpBlockSpatioTemporal"],
                "block_out_channels": [32],
                "layers_per_block": 1,
                "num_attention_heads": 2,
                "cross_attention_dim": 32,
                "addition_time_embed_dim": 32,
                "projection_class_embeddings_input_dim": 96,
                "num_frames": 4,
            }
            return UNetSpatioTemporalConditionModel(**config).eval().to(dtype)

    return make
