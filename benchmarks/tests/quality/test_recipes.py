"""Recipes of the rows that are post-tuned here."""

from pathlib import Path

import pytest
import yaml
from exvideo_train.config import load_config

from benchmarks.quality.methods import CONTROL, POST_TUNED
from benchmarks.quality.recipes import DEMO, RECIPES, STEPS, Recipe

pytestmark = pytest.mark.usefixtures("registered")

DEMO_S = yaml.safe_load(DEMO.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_one_that_the_trainer_takes(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    filled = recipe.filled(tmp_path / name, tmp_path / "clips", "embedded", 3)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(filled))
    config = load_config(path)
    assert (config.seed, config.base) == (3, "embedded")
    assert config.output == tmp_path / name
    assert config.data.videos == tmp_path / "clips" / "tune"
    assert config.optimizer.steps == recipe.steps
    assert config.optimizer.batch_size == 2


def test_a_row_differs_from_the_demo_s_recipe_in_what_it_says_alone(tmp_path: Path) -> None:
    for name, recipe in RECIPES.items():
        filled = recipe.filled(tmp_path, tmp_path, "embedded", 0)
        changed = {
            f"{section}.{key}" if isinstance(value, dict) else section
            for section, value in filled.items()
            for key in (value if isinstance(value, dict) else [""])
            if section not in ("base", "output", "seed")
            and (value.get(key) if isinstance(value, dict) else value)
            != (DEMO_S.get(section, {}).get(key) if isinstance(value, dict) else DEMO_S.get(section))
        }
        changed -= {"data.videos", "data.cache", "validation.videos"}
        sections = {key.partition(".")[0] for key in recipe.changes}
        assert {key.partition(".")[0] for key in changed} <= sections, name
        assert bool(changed) == bool(recipe.changes), name


def test_a_base_of_one_rate_is_told_its_own(tmp_path: Path) -> None:
    filled = RECIPES["full"].filled(tmp_path, tmp_path, "out/one_rate/base", 0)["extension"]
    assert (filled["positions"], filled["frame_rate"]) == ("continued", "own")
    filled = RECIPES["full"].filled(tmp_path, tmp_path, "embedded", 0)["extension"]
    assert (filled["positions"], filled["frame_rate"]) == ("interpolated", "interpolated")


@pytest.mark.parametrize("frames", [80, 128])
def test_a_lengthened_row_begins_at_the_shipped_extension(frames: int, tmp_path: Path) -> None:
    recipe = RECIPES[f"lengthened-{frames}"]
    filled = recipe.filled(tmp_path, tmp_path, "embedded", 0)
    assert (filled["init_from"], filled["extension"]["num_frames"]) == ("embedded", frames)
    assert recipe.clips == STEPS
    assert RECIPES[f"full-{frames}"].clips is None


def test_a_row_of_one_run_has_it_for_all_seeds_of_noise(tmp_path: Path) -> None:
    one, several = RECIPES["lengthened-80"], RECIPES["full-80"]
    assert len({one.file(tmp_path, "x", seed) for seed in range(5)}) == 1
    assert len({several.file(tmp_path, "x", seed) for seed in range(5)}) == 5
    assert one.seed_of_run(3) == 0
    assert one.hours < several.hours


def test_a_longer_row_costs_more_and_a_shorter_clip_less() -> None:
    assert RECIPES["steps-6800"].hours > 3 * RECIPES["temporal"].hours
    assert RECIPES["short-clips"].hours < RECIPES["temporal"].hours / 2
    assert Recipe("x", "y").steps == STEPS == DEMO_S["optimizer"]["steps"]
    assert {recipe.kind for recipe in RECIPES.values()} == {POST_TUNED, CONTROL}


def test_a_row_makes_clips_no_longer_than_it_was_trained_for(tmp_path: Path) -> None:
    assert RECIPES["full"].method(tmp_path).longest == 40
    assert RECIPES["full-80"].method(tmp_path).longest == 80
    assert RECIPES["old-parts"].method(tmp_path).kind == CONTROL
    assert [frames for frames in (16, 40, 80, 128) if RECIPES["full"].is_for(frames)] == [16, 40]
    assert [frames for frames in (16, 40, 80, 128) if RECIPES["full-80"].is_for(frames)] == [80]
