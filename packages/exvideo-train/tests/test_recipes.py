"""Every configuration that ships, run for two steps: on small stand-ins for its base and its videos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_train.cli import main

RECIPES = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


@pytest.mark.long
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs(
    path: Path,
    tiny_base_dir: Path,
    tiny_animatediff_dir: Path,
    make_transformer_dir: Callable[..., Path],
    footage: Path,
    captioned: Path,
    tmp_path: Path,
    mlflow_uri: str,
) -> None:
    transformers = {"wan-1.3b-161f-lora": "wan", "ltx-2b-513f-lora": "ltx"}
    bases = {"tiny": "embedded", "animatediff-64f": tiny_animatediff_dir}
    if path.stem in transformers:
        bases[path.stem] = make_transformer_dir(transformers[path.stem])
    settings: dict[str, Any] = {
        "output": tmp_path / "run",
        "extension.num_frames": 10,
        "extension.base_frames": 5 if path.stem == "animatediff-64f" else "null",
        "data.videos": footage / "train",
        "data.size": "[32, 32]",
        "data.clip_stride": 2,
        "optimizer.steps": 2,
        "optimizer.epochs": "null",
        "optimizer.batch_size": 2,
        "optimizer.warmup_steps": 0,
        "validation.videos": footage / "held_out",
        "validation.max_clips": 1,
        "tracking.uri": mlflow_uri,
    }
    if path.stem == "wan-1.3b-161f-lora":
        settings |= {"extension.num_frames": 9, "extension.base_frames": 5, "samples.num_inference_steps": 2}
    if path.stem == "ltx-2b-513f-lora":
        settings |= {"extension.num_frames": 17, "extension.base_frames": 9, "samples.num_inference_steps": 2}
        settings |= {
            "data.fps": "null",
            "data.videos": captioned / "train",
            "validation.videos": captioned / "held_out",
        }
    if path.stem == "default":
        settings |= {"model.hidden_dim": 64, "model.num_layers": 4, "distributed.backend": "auto"}
    else:
        settings |= {"base": bases.get(path.stem, tiny_base_dir), "base_variant": "null", "init_from": "null"}
    assert main(["--config", str(path), *(f"{key}={value}" for key, value in settings.items())]) == 0
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len([record for record in records if "loss" in record]) == 2
    assert (tmp_path / "run" / "extension.safetensors").is_file()
