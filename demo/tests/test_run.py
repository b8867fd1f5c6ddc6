"""The demo before and between its stages: folders, recipe, errors of a person's input."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from exvideo_infer.video_file import probe, write_video
from exvideo_train.config import load_config

from demo import generate, rendered_clips, sheets
from demo.__main__ import main
from demo.job import NUM_FRAMES, Job
from demo.own_footage import prepare as own_footage
from demo.run import empty_output, write_recipe
from demo.stages import Stages
from tiny_world.world.captions import vocabulary, words_of
from tiny_world.world.clip_files import read_clip_file


def test_an_earlier_demo_is_emptied_and_nothing_else_is(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    empty_output(output)
    (output / "old.txt").write_text("of an earlier run")
    empty_output(output)
    assert not (output / "old.txt").exists()

    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not made by the demo"):
        empty_output(precious)
    assert (precious / "thesis.txt").exists()


@pytest.mark.parametrize("path_of_demo", [rendered_clips, own_footage])
def test_each_recipe_is_one_that_exvideo_train_takes(tmp_path: Path, path_of_demo: ModuleType) -> None:
    recipe = Path(str(path_of_demo.__file__)).with_name("post_tune.yaml")
    folders = tmp_path / "to_train_on", tmp_path / "to_judge_by"
    job = Job("base", recipe, *folders, arguments_of=lambda clip: {})
    config = load_config(write_recipe(job, tmp_path, dict))
    assert config.extension.num_frames == NUM_FRAMES
    assert (config.base, config.output) == ("base", tmp_path / "post_tune")
    assert config.validation is not None
    assert (config.data.videos, config.validation.videos) == (job.train, job.held_out)


def run_here(module: str, *options: object) -> None:
    """`run_program` without a process of its own, whose start takes seconds."""
    assert import_module(f"{module}.__main__").main([str(option) for option in options]) in (0, None)


def test_rendered_clips_are_made_by_the_worlds_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_clips, "CLIPS", {"train": 2, "held_out": 1})
    monkeypatch.setattr(rendered_clips, "NUM_FRAMES", 3)
    monkeypatch.setattr(generate, "NUM_FRAMES", 9)
    monkeypatch.setattr(sheets, "NUM_FRAMES", 9)
    monkeypatch.setattr(rendered_clips, "run_program", run_here)
    job = rendered_clips.prepare(Stages(total=2), tmp_path, steps=5)
    assert len([*job.train.glob("*.mp4")]) == 3  # 10 clips are drawn, none of them more than four times
    assert {probe(clip).num_frames for clip in (*job.train.glob("*.mp4"), *job.held_out_clips)} == {3}
    before, after = (tmp_path / "shipped" / f"{name}.mp4" for name in ("before", "after"))
    assert probe(before).num_frames == probe(after).num_frames == 9
    assert before.read_bytes() != after.read_bytes()
    assert (tmp_path / "shipped" / "sheet.png").is_file()
    (clip,) = job.held_out_clips
    assert job.arguments_of(clip) == {"prompt": read_clip_file(clip).caption}


def test_prompts_are_in_words_that_the_model_knows() -> None:
    for prompt in rendered_clips.PROMPTS:
        assert not {*words_of(prompt)} - {*vocabulary()}, prompt


@pytest.mark.parametrize("kind", ["missing", "empty", "corrupt", "short"])
def test_useless_videos_are_one_sentence_and_exit_code_2(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "videos"
    if kind != "missing":
        folder.mkdir()
    if kind == "corrupt":
        (folder / "broken.mp4").write_bytes(b"0" * 1000)
    if kind == "short":
        write_video(folder / "broken.mp4", [np.zeros((64, 64, 3), np.uint8)] * 9, fps=25)
    assert main(["--videos", str(folder), "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("demo: ")
    assert message.count("\n") == 1
    assert ("broken.mp4" if kind in ("corrupt", "short") else "videos") in message


@pytest.mark.parametrize("steps", ["0", "-3", "many"])
def test_what_is_no_number_of_steps_is_refused(steps: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--steps={steps}"])
    assert ended.value.code == 2
    assert f"{steps} is no number of steps" in capsys.readouterr().err
