"""A pipeline from a folder: what lies beside it is loaded, what does not fit is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend
from exvideo_infer import BaseModelError, ExVideoPipeline


def test_weights_are_float32_unless_it_is_said_otherwise(text_base_dir: Path, fresh: Callable[..., Any]) -> None:
    assert {fresh(text_base_dir).unet.dtype, fresh(text_base_dir).text_encoder.dtype} == {torch.float32}
    half = fresh(text_base_dir, dtype=torch.float16)
    assert {half.unet.dtype, half.text_encoder.dtype, half.image_unet.dtype} == {torch.float16}
    assert fresh(text_base_dir, torch_dtype=torch.bfloat16).vae.dtype == torch.bfloat16


def test_what_lies_beside_a_base_is_loaded(text_base_dir: Path, tiny_base_dir: Path, fresh: Callable[..., Any]) -> None:
    pipeline = fresh(text_base_dir)
    assert (pipeline.sampling_defaults.fps, pipeline.reads_text) == (5, True)
    assert pipeline.text_to_image is not None
    plain = fresh(tiny_base_dir)
    assert plain.text_encoder is plain.image_unet is None


def test_an_extension_that_was_saved_is_mounted_again(fresh: Callable[..., Any], tmp_path: Path) -> None:
    pipeline = fresh()
    extend(pipeline.unet, ExtensionConfig(num_frames=12, level="position"))
    pipeline.save_pretrained(tmp_path / "saved")
    again = ExVideoPipeline.from_pretrained(tmp_path / "saved")
    assert again.extension is not None
    assert again.extension.config.num_frames == 12


def test_a_base_of_another_kind_is_refused(make_transformer_dir: Callable[..., Path]) -> None:
    with pytest.raises(BaseModelError, match="is no Stable Video Diffusion"):
        ExVideoPipeline.from_pretrained(make_transformer_dir("wan"))


def test_a_scheduler_that_does_not_fit_is_refused(tiny_base_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base_dir, tmp_path / "base")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "epsilon"}))
    with pytest.raises(ValueError, match="epsilon"):
        ExVideoPipeline.from_pretrained(folder)
