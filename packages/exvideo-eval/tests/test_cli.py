import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import suite
from exvideo_eval.cli import main
from exvideo_eval.results import Result
from exvideo_eval.tiny_world import judges
from PIL import Image

FAST = ["--features", "random3d", "--window", "4", "--resamples", "10"]


def arguments(folder: Path, *more: str, real: str = "real", generated: str = "generated") -> list[str]:
    return ["--real", str(folder / real), "--generated", str(folder / generated), *FAST, *more]


def test_the_command_writes_a_report_of_two_generated_sets_and_names_what_it_skipped(clip_folders: Path) -> None:
    (clip_folders / "generated" / "bad`.mp4").write_bytes(b"no video")
    output = clip_folders / "report"
    more = ["--baseline", str(clip_folders / "frozen"), "--output", str(output)]
    command = [sys.executable, "-m", "exvideo_eval", *arguments(clip_folders, *more)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "generated/bad`.mp4: is corrupt or not a video" in done.stderr
    assert "generated: Fréchet distance, random 3D network, seed 0 features" in done.stdout
    assert {path.name for path in output.iterdir()} == {
        *("report.json", "baseline.json", "against_baseline.json", "report.md", "report.png", "report.html")
    }
    assert (output / "report.png").read_bytes().startswith(b"\x89PNG")
    assert [Path(item.file).name for item in Result.load(output / "report.json").skipped] == ["bad`.mp4"]
    assert Result.load(output / "baseline.json").data[1].where.endswith("frozen")
    text = (output / "report.md").read_text()
    for expected in ("| baseline | generated |", "bad`.mp4", "Fréchet distance, random 3D network, seed 0 features"):
        assert expected in text
    assert "generated/bad`.mp4 ``: is corrupt" in text  # a code span that holds a backtick
    assert "FVD" not in text
    assert (clip_folders / "report-cache").is_dir()
    page = (output / "report.html").read_text()
    assert page.count("data:video/mp4;base64,") == 4
    assert "<h2>Skipped files</h2>" in page


@pytest.fixture
def mixed_files(
    clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> dict[str, str]:
    """Files that are no use among the generated ones of `clip_folders`, and why each is left out; one good one more."""
    folder = clip_folders / "generated"
    good = (folder / "0.mp4").read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "half.mp4").write_bytes(good[: len(good) // 2])
    (folder / "notes.txt").write_text("a red ball")
    write_video(folder / "one_frame.mp4", moving_clip(9, num_frames=1))
    Image.fromarray(moving_clip(9)[0]).save(folder / "picture.png")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    frames = [Image.fromarray(frame) for frame in moving_clip(8)]
    (folder / "more").mkdir()
    frames[0].save(folder / "more" / "a.gif", save_all=True, append_images=frames[1:], duration=125)
    return {
        "empty.mp4": "is corrupt or not a video",
        "half.mp4": "is corrupt or not a video",
        "notes.txt": "is corrupt or not a video",
        "one_frame.mp4": "has 1 frame, fewer than the 12",
        "picture.png": "it is a picture or text",
        "sound.wav": "no video",
    }


def test_files_of_all_kinds_are_named_and_counted(
    clip_folders: Path, mixed_files: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    output = clip_folders / "report"
    assert main(arguments(clip_folders, "--output", str(output))) == 0
    result = Result.load(output / "report.json")
    assert {Path(item.file).name for item in result.skipped} == mixed_files.keys()
    for item in result.skipped:
        assert mixed_files[Path(item.file).name] in item.reason
        assert caplog.text.count(f"skipped {item.file}: {item.reason}") == 1
        assert f"- `{item.file}`: {item.reason}" in (output / "report.md").read_text()
    assert [(data.role, data.count) for data in result.data] == [("real", 4), ("generated", 5)]
    assert result.data[1].media is not None
    assert result.data[1].media.codecs == ("gif", "h264")
    assert result.protocol["generated_clips"] == 5


def test_odd_names_are_counted_or_named_and_break_no_list(
    clip_folders: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clip_folders / "generated"
    (folder / "0.mp4").rename(folder / "12:30 x|<b>y`.mp4")
    (folder / "1.mp4").rename(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4")))
    (folder / "bad|\n- **n.mp4").write_bytes(b"no video")
    output = clip_folders / "report"
    monkeypatch.chdir(folder)
    measures = ("--real", str(clip_folders / "real"), "--generated", ".", *FAST, "--examples", "9")
    assert main([*measures, "--output", str(output), "--frames", "12"]) == 0
    result = Result.load(output / "report.json")
    assert {item.file: item.reason.partition(" (")[0] for item in result.skipped} == {
        r"caf\xe9.mp4": "has a name that is not UTF-8: rename it",
        r"bad|\n- **n.mp4": "is corrupt or not a video",
    }
    assert result.data[-1].count == 3
    text = (output / "report.md").read_text()
    assert r"- `bad|\n- **n.mp4`: is corrupt or not a video" in text
    assert r"- `caf\xe9.mp4`: has a name that is not UTF-8: rename it" in text
    page = (output / "report.html").read_text()
    assert page.count("data:video/mp4;base64,") == 3
    assert "12:30 x|&lt;b&gt;y`.mp4" in page
    assert caplog.text.count("is not UTF-8") == 1


def test_a_second_report_leaves_nothing_of_the_first(clip_folders: Path) -> None:
    output = ["--output", str(clip_folders / "report")]
    main(arguments(clip_folders, "--baseline", str(clip_folders / "frozen"), *output))
    assert main(arguments(clip_folders, *output)) == 0
    written = {path.name for path in (clip_folders / "report").iterdir()}
    assert written == {"report.json", "report.md", "report.png", "report.html"}
    assert main(arguments(clip_folders, *output, "--examples", "0")) == 0
    assert {path.name for path in (clip_folders / "report").iterdir()} == written - {"report.html"}


@pytest.mark.parametrize(
    ("folders", "more", "sentence"),
    [
        ({"real": "nowhere"}, [], "The folder of real clips"),
        ({"generated": "nowhere"}, [], "does not exist: give a folder of video files."),
        ({"generated": "empty"}, [], "is empty: put video files in it."),
        ({"real": "bad"}, [], "None of the 2 files of real clips in"),
        ({"generated": "bad"}, [], "a.mp4 is corrupt or not a video"),
        ({}, ["--frames", "13"], "has 12 frames, fewer than the 13 that are compared; 1.mp4 has 12 frames"),
        ({}, ["--frames", "0"], "num_frames is 0: give at least 2."),
        ({}, ["--dimension", "50"], "too few for a Fréchet distance in 50 dimensions"),
        ({}, ["--output", "OCCUPIED"], "The report cannot be written to"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(
    clip_folders: Path,
    capsys: pytest.CaptureFixture[str],
    folders: dict[str, str],
    more: list[str],
    sentence: str,
) -> None:
    (clip_folders / "empty").mkdir()
    (clip_folders / "bad").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (clip_folders / "bad" / name).write_bytes(b"no video")
    (clip_folders / "OCCUPIED").write_text("a file where the folder should be")
    output = ["--output", str(clip_folders / "report")]
    more = [str(clip_folders / part) if part == "OCCUPIED" else part for part in more]
    assert main(arguments(clip_folders, *output, *more, **folders)) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("exvideo-eval: ")
    assert sentence in last
    assert not (clip_folders / "report").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--seed", "-1"], "seed is -1: give at least 0."),
        (["--workers", "0"], "workers is 0: give at least 1."),
        (["--examples", "-1"], "examples is -1: give 0 for no page, or more."),
        (
            ["--examples-by", "nonsense"],
            "No clips have values of 'nonsense': choose one of distance to first frame, mo",
        ),
        (["--examples-by", "dynamic degree, RIFE 3.9"], "No clips have values of 'dynamic degree, RIFE 3.9'"),
        (["--output", "/"], "--output is /, beside which no cache can be: give a folder in it, or --cache."),
        (["--output", "OCCUPIED"], "OCCUPIED is no folder."),
        (["--output", "OCCUPIED/deeper"], "OCCUPIED is no folder."),
    ],
)
def test_options_are_looked_at_before_anything_is_measured(
    clip_folders: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(clip_folders)
    (clip_folders / "OCCUPIED").write_text("a file where the folder should be")
    monkeypatch.setattr(suite, "evaluate", None)
    assert main(arguments(clip_folders, "--output", "report", *more)) == 2
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert {path.name for path in clip_folders.iterdir()} == {"real", "generated", "frozen", "OCCUPIED"}


def test_a_measure_that_these_clips_have_no_values_of_is_told_before_anything_is_written(
    clip_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = clip_folders / "report"
    assert main(arguments(clip_folders, "--output", str(output), "--examples-by", "judged shape right")) == 2
    assert "has no values of 'judged shape right' clip by clip" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not output.exists()


def test_the_folder_one_is_in_can_be_the_output(clip_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clip_folders / "here").mkdir()
    monkeypatch.chdir(clip_folders / "here")
    for output in (".", "../here/../here"):
        assert main(arguments(clip_folders, "--output", output, "--examples", "0")) == 0
        assert (clip_folders / "here" / "report.json").is_file()
    assert {path.name for path in clip_folders.iterdir()} == {"real", "generated", "frozen", "here", "here-cache"}


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == version("exvideo-eval")


def test_clips_of_the_tiny_world_are_judged_without_being_told_to(
    tiny_world_folders: Path,
    judges_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(judges, "FOLDER", judges_folder)
    folders = (part for name in ("real", "generated") for part in (f"--{name}", str(tiny_world_folders / name)))
    output = tiny_world_folders / "report"
    assert main([*folders, *FAST[2:], "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Fréchet distance, tiny-world judges features \S+ \[.*\] \(n 4, dimension 1, p \S+\)", printed)
    for name in ("kinds of shape told apart, tiny-world judges", "CLIP-style score, tiny-world judges"):
        assert re.search(rf"generated: {name} \S+ \[.*\] \(n 4\)", printed)
    assert "judged motion right" in printed
    assert "real clips" not in printed
    text = (output / "report.md").read_text()
    row = r"\| judged motion right, share, crosses and bounces as one \(4 clips\) \| higher \| \S+ .*\| \S+ .*\|"
    assert re.search(row, text.partition("## Judges of the tiny world")[2])
