"""What the demo does before and between its stages: folders, recipe, errors of a person's input."""

from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import write_video
from exvideo_train.config import load_config

from demo.__main__ import main
from demo.run import DemoError, empty_output, run_program, write_recipe


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


def test_the_recipe_is_one_that_exvideo_train_takes(tmp_path: Path) -> None:
    config = load_config(write_recipe(tmp_path))
    assert config.extension.num_frames == 40
    assert config.validation is not None
    assert {config.data.videos.name, config.validation.videos.name} == {"train", "held_out"}


def test_a_program_that_fails_is_not_passed_over() -> None:
    with pytest.raises(DemoError, match="exit code"):
        run_program("exvideo_demo_without_such_a_module")


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
