"""Saving, loading, and parts that are given."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder, StableVideoDiffusionPipeline
from exvideo_blocks import extend, save_extension
from exvideo_infer import BaseModelError, ExVideoPipeline, SamplingDefaults, load_base
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_saved_pipeline_is_the_same_pipeline(
    fresh: Callable[..., ExVideoPipeline], text_base_dir: Path, extension_file: Path, tmp_path: Path
) -> None:
    pipeline = fresh(text_base_dir)
    assert set(pipeline.components) == {
        "vae", "image_encoder", "unet", "scheduler", "feature_extractor", "text_encoder", "tokenizer", "image_unet",
        "image_scheduler",
    }  # fmt: skip
    for is_extended in (False, True):
        if is_extended:
            pipeline.load_extension(extension_file)
        expected = pipeline(prompt="a red circle", **SMALL, generator=seeded()).frames
        pipeline.save_pretrained(tmp_path / "saved")
        loaded = fresh(tmp_path / "saved")
        assert torch.equal(loaded(prompt="a red circle", **SMALL, generator=seeded()).frames, expected)
        assert (loaded.extension is not None) is is_extended
        assert pipeline.extension is None or pipeline.extension.is_enabled
        assert loaded.sampling_defaults == pipeline.sampling_defaults
    base = load_base(tmp_path / "saved")
    assert torch.equal(base.network.conv_in.weight, load_base(text_base_dir).network.conv_in.weight)
    stock = StableVideoDiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert len(stock.unet.state_dict()) == len(load_base(text_base_dir).network.state_dict())
    pipeline.unload_extension()
    pipeline.save_pretrained(tmp_path / "saved")
    assert fresh(tmp_path / "saved").extension is None


def test_parts_can_be_given_and_shared(
    fresh: Callable[..., ExVideoPipeline], pipe: ExVideoPipeline, images: list[Image.Image], text_base_dir: Path
) -> None:
    assert fresh(unet=pipe.unet).unet is pipe.unet
    none = dict.fromkeys(("text_encoder", "tokenizer", "image_unet", "image_scheduler"))
    assert fresh(text_base_dir, **none).reads_text is False
    shared = ExVideoPipeline(**pipe.components)
    shared.set_progress_bar_config(disable=True)
    of_stock = ExVideoPipeline.from_pipe(
        StableVideoDiffusionPipeline(pipe.vae, pipe.image_encoder, pipe.unet, pipe.scheduler, pipe.feature_extractor)
    )
    of_stock.set_progress_bar_config(disable=True)
    expected = pipe(images[0], **SMALL, generator=seeded()).frames
    for other in (shared, of_stock):
        assert torch.equal(other(images[0], **SMALL, generator=seeded()).frames, expected)


def test_the_dtype_has_two_names(fresh: Callable[..., ExVideoPipeline], tiny_base_dir: Path) -> None:
    for name in ("dtype", "torch_dtype"):
        pipeline = fresh(**{name: torch.bfloat16})
        assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.image_encoder.dtype} == {torch.bfloat16}
    assert load_base(tiny_base_dir, dtype=torch.bfloat16).network.dtype == torch.bfloat16


def test_what_fails_in_loading_is_named(
    fresh: Callable[..., ExVideoPipeline], tiny_base_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any, **__: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(AutoencoderKLTemporalDecoder, "from_pretrained", out_of_memory)
    with pytest.raises(MemoryError, match="does not fit in memory"):
        fresh()
    monkeypatch.undo()
    with pytest.raises(BaseModelError, match="holds no weights of the variant 'fp8'") as caught:
        fresh(variant="fp8")
    assert "damaged" not in str(caught.value)


def test_a_base_on_a_hub_is_read_with_its_text_parts(
    text_base_dir: Path, fresh: Callable[..., ExVideoPipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache as its client lays it out, read without a network."""
    fresh(text_base_dir).save_pretrained(tmp_path / "saved")
    snapshot = tmp_path / "cache" / "models--anna--reads" / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    (tmp_path / "saved").rename(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    pipeline = fresh("anna/reads", cache_dir=tmp_path / "cache", local_files_only=True)
    assert pipeline.reads_text
    assert pipeline.sampling_defaults.fps == 5
    assert pipeline(prompt="a red circle", **SMALL).frames.isfinite().all()


def test_the_extension_is_saved_apart_from_an_extended_unet(pipe: ExVideoPipeline, tmp_path: Path) -> None:
    from exvideo_blocks import ExtensionConfig

    extension = extend(pipe.unet, ExtensionConfig(num_frames=10))
    save_extension(extension, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="save_pretrained on an extended model"):
        pipe.unet.save_pretrained(tmp_path / "unet")


def test_a_variant_is_of_the_parts_that_read_text_too(text_base_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(text_base_dir, folder)
    for weights in sorted(folder.rglob("*.safetensors")):
        weights.rename(weights.with_name(f"{weights.stem}.fp16.safetensors"))
    assert load_base(folder, variant="fp16").tokenizer is not None
    assert ExVideoPipeline.from_pretrained(folder, variant="fp16").image_unet is not None


def test_the_recommendations_of_an_earlier_saving_do_not_stay(
    fresh: Callable[..., ExVideoPipeline], text_base_dir: Path, tmp_path: Path
) -> None:
    pipeline = fresh(text_base_dir)
    pipeline.save_pretrained(tmp_path)
    pipeline.sampling_defaults = SamplingDefaults()
    pipeline.save_pretrained(tmp_path)
    assert fresh(tmp_path).sampling_defaults == SamplingDefaults()
