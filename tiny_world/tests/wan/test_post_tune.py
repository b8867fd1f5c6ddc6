"""exvideo-train on the small Wan."""

from pathlib import Path

import pytest
import torch
import yaml
from exvideo_blocks import read_extension_header
from exvideo_train import TrainConfig

from tiny_world.programs import run_program
from tiny_world.wan.base import save
from tiny_world.wan.network import build_network
from tiny_world.wan.post_tune import LEARNING_RATES, LONGER, TIMES, recipe
from tiny_world.wan.ways import LEVELS
from tiny_world.world.clip_files import write_clips


@pytest.mark.parametrize("level", LEVELS)
def test_the_recipe_of_a_level_is_one_that_exvideo_train_takes(level: str, tmp_path: Path) -> None:
    config = TrainConfig.model_validate(recipe(tmp_path, tmp_path / "base", tmp_path / "clips", level, 2))
    assert (config.extension.level, config.seed, config.extension.num_frames) == (level, 2, 40)
    assert config.optimizer.learning_rate == LEARNING_RATES[level]
    assert config.output == tmp_path / f"{level}_2"
    assert config.cache == tmp_path / "latents"


def test_the_longer_run_begins_at_the_end_of_another_and_draws_anew(tmp_path: Path) -> None:
    first, longer = (
        TrainConfig.model_validate(recipe(tmp_path, tmp_path / "base", tmp_path / "clips", level, 1))
        for level in ("lora", LONGER)
    )
    assert longer.init_from == str(first.output / "extension.safetensors")
    assert longer.seed != first.seed
    assert longer.optimizer.steps == TIMES * first.optimizer.steps
    assert longer.extension == first.extension
    assert longer.optimizer.learning_rate == first.optimizer.learning_rate


@pytest.mark.long
@pytest.mark.timeout(600)
def test_it_is_trained_and_leaves_an_extension_of_its_own_family(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save(build_network(), tmp_path / "base")
    for split, name in (("train", "train"), ("seen", "validation")):
        list(write_clips(tmp_path / "clips" / name, 3, 40, 0, split))
    shorter = recipe(tmp_path / "runs", tmp_path / "base", tmp_path / "clips", "lora", 0)
    shorter["optimizer"] |= {"steps": 2, "warmup_steps": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(shorter))
    run_program("tiny_world.wan.post_tune", "--config", tmp_path / "recipe.yaml")
    header = read_extension_header(tmp_path / "runs" / "lora_0" / "extension.safetensors")
    assert (header.family, header.base_frames, header.config.num_frames) == ("tiny-wan", 8, 40)
