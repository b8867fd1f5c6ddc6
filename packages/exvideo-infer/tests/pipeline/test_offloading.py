"""Offloading and hooks, which change no bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("is_extended", [False, True], ids=["base", "extended"])
@pytest.mark.parametrize("kind", ["leaf_level", "block_level", "model"])
def test_offloading_changes_no_bit(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path, kind: str, is_extended: bool
) -> None:
    pipeline = fresh()
    if is_extended:
        pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    if kind == "model":
        pipeline.enable_model_cpu_offload(device="cpu")
    else:
        cpu, blocks = torch.device("cpu"), {"num_blocks_per_group": 1} if kind == "block_level" else {}
        pipeline.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type=kind, **blocks)
    for _ in range(2):
        assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)


def test_a_base_that_reads_text_is_offloaded_whole(fresh: Callable[..., ExVideoPipeline], text_base_dir: Path) -> None:
    pipeline = fresh(text_base_dir)
    expected = pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames
    cpu = torch.device("cpu")
    pipeline.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    assert torch.equal(pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="accelerate fails from a CPU to a CPU, in diffusers' own too")
@pytest.mark.parametrize("is_extended", [False, True], ids=["base", "extended"])
def test_sequential_offloading_changes_nothing(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path, is_extended: bool
) -> None:
    pipeline = fresh()
    if is_extended:
        pipeline.load_extension(extension_file)
    expected = pipeline.to("cuda")(images[0], **SMALL, generator=seeded()).frames
    pipeline.to("cpu")
    pipeline.enable_sequential_cpu_offload()
    assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)


def test_noise_is_drawn_where_the_network_computes(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import cpu_offload_with_hook

    pipeline = fresh()
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    cpu_offload_with_hook(pipeline.unet, execution_device="cpu")
    assert torch.equal(pipeline(images[0], **SMALL, generator=seeded()).frames, expected)
    devices = []

    def denoise(_network: Any, _scheduler: Any, noise: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        devices.append(noise.device)
        return torch.zeros(noise.shape)

    pipeline.unet._hf_hook.execution_device = "meta"
    monkeypatch.setattr("exvideo_infer.generation.denoise", denoise)
    pipeline(images[0], **SMALL, generator=seeded())
    assert devices == [torch.device("meta")]
