"""Small random transformers of the four families, and one call that fits each of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

SHARED: dict[str, Any] = {"num_attention_heads": 2, "num_layers": 2, "in_channels": 4, "out_channels": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "wan": {
        **SHARED, "attention_head_dim": 24, "text_dim": 16, "freq_dim": 32, "ffn_dim": 32, "rope_max_seq_len": 32,
    },
    "hunyuan_video": {
        **SHARED, "attention_head_dim": 16, "num_layers": 1, "num_single_layers": 1, "num_refiner_layers": 1,
        "text_embed_dim": 16, "pooled_projection_dim": 8, "rope_axes_dim": (4, 6, 6), "patch_size": 2,
    },
    "ltx": {**SHARED, "attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 16},
    "cogvideox": {
        **SHARED, "attention_head_dim": 16, "time_embed_dim": 16, "text_embed_dim": 16, "sample_width": 8,
        "sample_height": 8, "sample_frames": 9, "max_text_seq_length": 4, "use_rotary_positional_embeddings": True,
    },
    "cogvideox-2b": {
        **SHARED, "attention_head_dim": 16, "time_embed_dim": 16, "text_embed_dim": 16, "sample_width": 8,
        "sample_height": 8, "sample_frames": 9, "max_text_seq_length": 4,
    },
}  # fmt: skip


@pytest.fixture
def make_transformer() -> Callable[..., Any]:
    """Makes a small random transformer: make_transformer("wan", torch.float32, num_layers=3, ...)."""
    import diffusers

    classes = {
        "wan": diffusers.WanTransformer3DModel,
        "hunyuan_video": diffusers.HunyuanVideoTransformer3DModel,
        "ltx": diffusers.LTXVideoTransformer3DModel,
        "cogvideox": diffusers.CogVideoXTransformer3DModel,
        "cogvideox-2b": diffusers.CogVideoXTransformer3DModel,
    }

    def make(kind: str, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return classes[kind](**CONFIGS[kind] | options).eval().to(dtype)

    return make


@pytest.fixture
def call_transformer() -> Callable[..., Any]:
    """Calls one through its family: call_transformer(model, rows, clips=[seed, ...], time=..., first_frame=...)."""
    from exvideo_blocks import family_of

    def call(model: Any, rows: int, clips: list[int], time: float = 300.0, **more: Any) -> Any:
        generators = [torch.Generator().manual_seed(seed) for seed in clips]
        dtype = next(parameter.dtype for parameter in model.parameters() if parameter.itemsize > 1)
        channels = model.config.in_channels

        def random(*shape: int) -> torch.Tensor:
            return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(dtype)

        latents = random(rows, channels, 4, 8)
        conditions = SimpleNamespace(
            tokens=random(4, 16), tokens_mask=torch.tensor([[1, 1, 1, 0]] * len(clips)), pooled=random(8),
            guidance=torch.full((len(clips),), 6.0), **more,
        )  # fmt: skip
        return family_of(model).call(model, latents, torch.tensor(time), conditions)

    return call
