"""Extensions as people have them, and what else is done to a UNet that has one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import export_published
from exvideo_infer import ExVideoPipeline, embedded
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_disabled_extension_neither_sets_nor_limits_the_length(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path
) -> None:
    extension = pipe.load_extension(extension_file)
    extension.training = {"sizes": [[32, 48]], "sampling": {"fps": 30.0}}
    assert (pipe.default_num_frames, pipe.default_size(), pipe.sampling_defaults.fps) == (12, (32, 48), 30.0)
    with extension.disabled():
        assert (pipe.default_num_frames, pipe.default_size(), pipe.sampling_defaults.fps) == (8, (576, 1024), 7)
        assert pipe(images[0], **(SMALL | {"num_frames": 14})).frames.shape[1] == 14


def test_an_extension_is_found_in_what_training_leaves(
    pipe: ExVideoPipeline, extension_file: Path, tmp_path: Path
) -> None:
    def put(folder: str, whole: bool = True) -> Path:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "extension.safetensors").write_bytes(extension_file.read_bytes())
        if whole:
            (tmp_path / folder / "state.json").write_text("{}")
        return tmp_path / folder

    step = put("run/checkpoints/step-00000100")
    put("run/checkpoints/step-00000200", whole=False)
    for place in (step, tmp_path / "run", tmp_path / "run" / "checkpoints", step / "extension.safetensors"):
        assert pipe.load_extension(place).config.num_frames == 12
        pipe.unload_extension()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"is a folder without extension\.safetensors"):
        pipe.load_extension(tmp_path / "empty")


def test_the_authors_checkpoint_is_mounted_by_its_content(
    pipe: ExVideoPipeline, images: list[Image.Image], extension_file: Path, tmp_path: Path
) -> None:
    extension = pipe.load_extension(extension_file)
    expected = pipe(images[0], **SMALL, generator=seeded()).frames
    export_published(extension, tmp_path / "model.fp16.safetensors")
    pipe.unload_extension()
    assert pipe.load_extension(tmp_path / "model.fp16.safetensors").config.num_frames == 12
    assert torch.equal(pipe(images[0], **SMALL, generator=seeded()).frames, expected)
    pipe.unload_extension()
    with pytest.raises(ValueError, match=r"is a pickle, which can run any code.*load_published"):
        pipe.load_extension(tmp_path / "model.pth")
    assert pipe.extension is None


def test_the_shipped_extension_makes_a_long_clip_of_the_shipped_model() -> None:
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    pipeline.set_progress_bar_config(disable=True)
    assert embedded.extension().stat().st_size <= 4_000_000
    assert pipeline.load_extension("embedded").config.num_frames == pipeline.default_num_frames == 40
    few = {"num_frames": 12, "num_inference_steps": 1, "output_type": "latent", "prompt": "a red circle"}
    assert pipeline(**few).frames.isfinite().all()


@pytest.mark.long
def test_a_compiled_unet_samples_and_takes_no_extension_any_more(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path
) -> None:
    pipeline = fresh()
    pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    pipeline.unet = torch.compile(pipeline.unet, backend="eager")
    assert pipeline.extension is not None
    torch.testing.assert_close(pipeline(images[0], **SMALL, generator=seeded()).frames, expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="The UNet is compiled"):
        pipeline.load_extension(extension_file)


def test_layerwise_casting_goes_with_an_extension(
    fresh: Callable[..., ExVideoPipeline], images: list[Image.Image], extension_file: Path
) -> None:
    pipeline = fresh()
    pipeline.load_extension(extension_file)
    expected = pipeline(images[0], **SMALL, generator=seeded()).frames
    pipeline.unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    made = pipeline(images[0], **SMALL, generator=seeded()).frames
    assert made.isfinite().all()
    assert 0 < (made - expected).abs().mean() < 0.1
