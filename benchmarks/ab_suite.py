"""Exact counts of every pull request, and some times: the suite of `exvideo-eval ab`, which measures two versions.

    exvideo-eval ab main HEAD --suite benchmarks/ab_suite.py --env none --path 'packages/*/src' --path . --rounds 6

It is one file, as it is copied beside each version, and knows only what both versions have: public names.
"""

import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import ExVideoPipeline, iter_frames, write_video
from PIL import Image
from torch import Tensor

from tiny_world.small_base import build_components

CHANNELS: dict[str, Any] = {"unet_channels": (32, 64), "vae_channels": (32, 32, 32), "cross_attention_dim": 32}
FRAMES, SIZE = 16, 16
assert av  # imported, so that frames are counted


def extended() -> tuple[dict[str, Any], Any]:
    """The parts of a small base, and the extension to 16 frames that is mounted on it."""
    parts = build_components(**CHANNELS, sample_size=SIZE)
    parts["unet"].requires_grad_(False)
    return parts, extend(parts["unet"], ExtensionConfig(FRAMES))


def inputs(parts: dict[str, Any]) -> dict[str, Tensor]:
    """Random inputs of the UNet, one clip."""
    generator = torch.Generator().manual_seed(0)
    config = parts["unet"].config
    return {
        "sample": torch.randn(1, FRAMES, config.in_channels, SIZE, SIZE, generator=generator),
        "timestep": torch.tensor(0.5),
        "encoder_hidden_states": torch.randn(1, 1, config.cross_attention_dim, generator=generator),
        "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]]),
    }


def bench_base(bench: Any) -> None:
    parts, extension = extended()
    given = inputs(parts)
    extension.disable()

    def forward() -> Tensor:
        with torch.no_grad():
            return parts["unet"](**given, return_dict=False)[0]

    bench.count(forward, "forward, disabled")


def bench_network(bench: Any) -> None:
    parts, extension = extended()
    given = inputs(parts)
    trained = list(extension.trainable_parameters(context_tokens=1).values())

    def forward() -> Tensor:
        with torch.no_grad():
            return parts["unet"](**given, return_dict=False)[0]

    def step() -> None:
        for parameter in trained:
            parameter.grad = None
        parts["unet"](**given, return_dict=False)[0].square().mean().backward()

    bench.count(forward, "forward")
    bench.count(step, "training step")
    bench.record("trained parameters", sum(parameter.numel() for parameter in trained), "parameters", "neutral")
    bench.time(forward, "forward")
    bench.time(step, "training step")


def bench_attention(bench: Any) -> None:
    from exvideo_blocks.kernels.temporal_attention import temporal_attention

    generator = torch.Generator().manual_seed(0)
    packed = torch.randn(FRAMES, 64, 3 * 64, generator=generator).requires_grad_()

    def forward() -> Tensor:
        query, key, value = packed.chunk(3, dim=-1)
        return temporal_attention(query, key, value, num_frames=FRAMES, num_heads=4)

    bench.count(lambda: forward().sum().backward(), "forward and backward")
    bench.time(forward, "forward")


def bench_sampler(bench: Any) -> None:
    parts, _ = extended()
    pipeline = ExVideoPipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)
    pixels = 4 * SIZE
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (pixels, pixels, 3), dtype=np.uint8))

    def sample() -> Any:
        generator = torch.Generator().manual_seed(0)
        sizes: dict[str, Any] = {"height": pixels, "width": pixels, "num_frames": FRAMES}
        return pipeline(picture, num_inference_steps=2, generator=generator, output_type="pt", **sizes)

    bench.count(sample, "two steps and decoding")


def bench_files(bench: Any) -> None:
    _, extension = extended()
    frames = np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        clip, file = Path(folder) / "clip.mp4", Path(folder) / "extension.safetensors"
        write_video(clip, frames, fps=8)
        save_extension(extension, file)
        bench.file_bytes(file, "extension")
        with bench.counting("reading 24 frames"):
            for _ in iter_frames(clip):
                pass


def bench_imports(bench: Any) -> None:
    for package in ("exvideo_blocks", "exvideo_infer", "exvideo_train", "exvideo_eval", "exvideo_eval.cli"):
        bench.imports(package)
