"""A tiny base loaded once, with and without an extension, beside diffusers' own pipeline on the same components."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore
from exvideo_infer import ExVideoPipeline
from PIL import Image

EXTENDED_FRAMES = 12


@pytest.fixture(scope="session")
def loaded(tiny_base_dir: Path) -> ExVideoPipeline:
    pipeline = ExVideoPipeline.from_pretrained(tiny_base_dir)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipe(loaded: ExVideoPipeline) -> Iterator[ExVideoPipeline]:
    yield loaded
    if loaded.extension is not None:
        loaded.unload_extension()
    loaded.to("cpu", torch.float32)


@pytest.fixture
def stock(pipe: ExVideoPipeline) -> Any:
    """diffusers' pipeline on the very same networks."""
    from diffusers import StableVideoDiffusionPipeline

    stock = StableVideoDiffusionPipeline(
        pipe.vae, pipe.image_encoder, pipe.unet, pipe.scheduler, pipe.feature_extractor
    )
    stock.set_progress_bar_config(disable=True)
    return stock


@pytest.fixture(scope="session")
def extension_file(loaded: ExVideoPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extension to 12 frames whose every parameter differs from what it starts as."""
    path = tmp_path_factory.mktemp("extension") / "extension.safetensors"
    extension = extend(loaded.unet, ExtensionConfig(num_frames=EXTENDED_FRAMES))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    extension.save(path)
    restore(loaded.unet)
    return path


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    """Two noise pictures of one size, larger than the clips made of them."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for _ in range(2)]
