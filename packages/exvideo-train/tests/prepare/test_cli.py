"""exvideo-prepare from end to end, on films of known shots, with a detector that compares neighbouring frames."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from exvideo_infer import probe, read_clip, write_video
from exvideo_train.config import load_config
from exvideo_train.data import find_all_clips
from exvideo_train.prepare import job
from exvideo_train.prepare.cli import main
from numpy.typing import NDArray
from PIL import Image

from tiny_world.camera_files import write

Film = Callable[..., Path]
Prepare = Callable[..., list[dict[str, Any]]]
LEVELS = (60, 130, 200, 90, 160)


class Comparing:
    """Ends a shot where the next frame differs by a twentieth of full scale; counts the films that it was shown."""

    films = 0

    def __call__(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[float]:
        Comparing.films += 1
        before: NDArray[np.uint8] | None = None
        for frame in frames:
            if before is not None:
                yield float(np.abs(frame.astype(float) - before).mean() > 13)
            before = frame
        yield 0.0


def pictures(lengths: Iterable[int], height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Shots of grey, each with a bar on it that moves by a pixel a frame; the left half is darker."""
    found = []
    for length, level in zip(lengths, LEVELS, strict=False):
        for t in range(length):
            frame = np.full((height, width, 3), level, np.uint8)
            frame[:, : width // 2] -= 20
            frame[4 + t % (height - 8) :][:3, 8:-8] = 255
            found.append(frame)
    return found


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "ShotDetector", Comparing)
    monkeypatch.setattr(Comparing, "films", 0)


@pytest.fixture
def film(tmp_path: Path) -> Film:
    def make(name: str = "film.mp4", lengths: Iterable[int] = (30, 20, 40, 25), **size: int) -> Path:
        (tmp_path / "footage").mkdir(exist_ok=True)
        path = tmp_path / "footage" / name
        write_video(path, pictures(lengths, **size), fps=25)
        return path

    return make


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prepare:
    """Runs the command on `footage`; the rows of the list that it writes."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        assert main([str(tmp_path / "footage"), "--output", str(tmp_path / "out"), *arguments]) == 0
        return [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]

    return run


def spans(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(row["start"], row["end"]) for row in rows]


def test_a_film_becomes_a_list_that_training_takes(
    film: Film, prepare: Prepare, make_config: Callable[..., Path], tmp_path: Path
) -> None:
    path = film()
    rows = prepare("--held-out", "0.25")
    assert spans(rows) == [(0, 30), (30, 50), (50, 90), (90, 115)]
    assert {row["file"] for row in rows} == {str(path)}
    listed = str(tmp_path / "out" / "metadata.jsonl")
    config = load_config(make_config(**{"data.videos": listed, "validation.videos": listed}))
    training, held_out, skips = find_all_clips(config)
    (chosen,) = [(row["start"], row["end"]) for row in rows if row["split"] == "validation"]
    assert [clip.start for clip in held_out] == [chosen[0]]
    assert all(clip.start + clip.num_frames <= chosen[0] or clip.start >= chosen[1] for clip in training)
    assert not skips


def test_a_list_is_written_whoever_has_gone(
    gone_reader: Callable[[], AbstractContextManager[None]], film: Film, tmp_path: Path
) -> None:
    film()
    with gone_reader():
        assert main([str(tmp_path / "footage"), "--output", str(tmp_path / "out")]) == 0
        assert main([str(tmp_path / "nowhere"), "--output", str(tmp_path / "other")]) == 2
    assert (tmp_path / "out" / "metadata.jsonl").read_text().count("\n") == 4


def test_a_sheet_has_a_row_a_scene(film: Film, prepare: Prepare, tmp_path: Path) -> None:
    film()
    prepare()
    with Image.open(tmp_path / "out" / "sheet-01.png") as sheet:
        pixels = np.asarray(sheet)
    assert len(pixels) == 4 * 76
    rows = [pixels[76 * row + 60, 330 + 70] for row in range(4)]  # right of the middle, below the bar's first place
    assert [tuple(int(value) for value in row) for row in rows] == [
        pytest.approx((level,) * 3, abs=3) for level in LEVELS[:4]
    ]


def test_clips_are_cut_frame_for_frame_and_no_others_stay(film: Film, prepare: Prepare, tmp_path: Path) -> None:
    path = film()
    rows = prepare("--cut", "--held-out", "0", "--min-frames", "25", "--leave-out", "film.mp4:4")
    assert [row["file"].rpartition("-")[0] for row in rows] == ["clips/film-000000-000030", "clips/film-000050-000090"]
    for row, (start, end) in zip(rows, [(0, 30), (50, 90)], strict=True):
        clip, original = read_clip(tmp_path / "out" / row["file"]), read_clip(path, start, end - start)
        assert clip.shape == original.shape
        assert (clip.float() - original.float()).abs().mean() < 2
    foreign = tmp_path / "out" / "clips" / "mine.mp4"
    foreign.write_bytes(b"")
    again = prepare("--cut", "--size", "24", "24", "--max-frames", "32")
    files = sorted(tmp_path.glob("out/clips/*.mp4"))
    assert files == sorted([foreign, *(tmp_path / "out" / row["file"] for row in again)])
    assert [probe(tmp_path / "out" / row["file"]).num_frames for row in again] == [30, 20, 20, 20, 25]
    info = probe(tmp_path / "out" / again[0]["file"])
    assert (info.height, info.width) == (24, 24)


def test_a_killed_run_goes_on_with_the_file_that_it_was_at(
    film: Film, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        film(name)
    look_at = Comparing.__call__

    def dies(self: Comparing, frames: Iterable[NDArray[np.uint8]]) -> Iterator[float]:
        if Comparing.films == 1:
            raise KeyboardInterrupt
        yield from look_at(self, frames)

    monkeypatch.setattr(Comparing, "__call__", dies)
    assert main([str(tmp_path / "footage"), "--output", str(tmp_path / "out")]) == 130
    assert "goes on with the file" in capsys.readouterr().err
    assert not (tmp_path / "out" / "metadata.jsonl").exists()
    monkeypatch.setattr(Comparing, "__call__", look_at)
    rows = prepare("--cut")
    assert Comparing.films == 3
    assert len(rows) == 12
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "clips").iterdir()}
    lost = min(times)
    lost.unlink()
    assert prepare("--cut", "--held-out", "0.5") != rows
    assert Comparing.films == 3
    assert {path: path.stat().st_mtime_ns for path in times if path != lost} == {
        path: time for path, time in times.items() if path != lost
    }
    assert probe(lost).num_frames == 30
    film("b.mp4", (50, 50))
    assert len(prepare("--cut")) == 10
    assert Comparing.films == 4


def test_phone_clips_are_upright_and_captions_are_given(film: Film, prepare: Prepare, tmp_path: Path) -> None:
    film("plain.mp4", (30,))
    (tmp_path / "footage" / "plain.txt").write_text("grey with a bar")
    turned = [np.rot90(picture).copy() for picture in pictures((20, 30))]
    write(tmp_path / "footage" / "phone.mp4", turned, change=lambda stream: stream.set_display_rotation(-90))
    (tmp_path / "captions.csv").write_text("file,scene,caption\nphone.mp4,2,lighter\n")
    rows = prepare("--cut", "--captions", str(tmp_path / "captions.csv"))
    assert [row.get("caption") for row in rows] == [None, "lighter", "grey with a bar"]
    clip = read_clip(tmp_path / "out" / rows[0]["file"])
    assert clip.shape == (20, 3, 48, 64)
    assert clip[0, 0, 40, 10] < clip[0, 0, 40, 50]  # the darker half is left


def mend(path: Path, captions: dict[int, str], column: str = "caption") -> None:
    """Gives rows of the list captions, as a person does."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for number, caption in captions.items():
        rows[number][column] = caption
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def captions_of(rows: list[dict[str, Any]]) -> list[str | None]:
    return [row.get("caption") for row in rows]


@pytest.mark.parametrize("how", [[], ["--cut"]])
def test_captions_that_were_mended_in_the_list_stay(
    how: list[str], film: Film, prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film("plain.mp4", (30, 20, 40))
    film("other.mp4", (30,))
    (tmp_path / "footage" / "plain.txt").write_text("grey")
    assert captions_of(prepare(*how)) == [None, "grey", "grey", "grey"]
    listed = tmp_path / "out" / "metadata.jsonl"
    mend(listed, {0: "a bar"}, "text")  # a name that training reads, too
    mend(listed, {2: "lighter"})
    capsys.readouterr()
    (tmp_path / "footage" / "plain.txt").write_text("gray")  # what nobody mended in the list goes by its file
    told = "2 captions are those of the list that was there: remove it to be without them."
    for more in ([], ["--captions", str(listed)], ["--size", "24", "24"] if how else []):
        assert captions_of(prepare(*how, *more)) == ["a bar", "gray", "lighter", "gray"]
        assert told in capsys.readouterr().out
    (tmp_path / "captions.csv").write_text("file,scene,caption\nplain.mp4,2,given\n")
    assert captions_of(prepare(*how, "--captions", str(tmp_path / "captions.csv"))) == [
        "a bar",
        "gray",
        "given",
        "gray",
    ]
    assert captions_of(prepare(*how)) == ["a bar", "gray", "given", "gray"]
    listed.unlink()
    assert captions_of(prepare(*how)) == [None, "gray", "gray", "gray"]


def test_captions_that_no_clip_has_any_more_are_put_aside(
    film: Film, prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film("plain.mp4", (30, 20, 40))
    prepare()
    listed = tmp_path / "out" / "metadata.jsonl"
    mend(listed, {1: "lighter"})
    mended = listed.read_text()
    capsys.readouterr()
    assert captions_of(prepare("--leave-out", "plain.mp4:2")) == [None, None]
    before = tmp_path / "out" / "metadata-before-1.jsonl"
    assert f"1 captions of the list that was there are in no clip now; it is {before}." in capsys.readouterr().out
    assert before.read_text() == mended
    mend(listed, {0: "first", 1: "second"})
    (tmp_path / "footage" / "plain.mp4").rename(tmp_path / "footage" / "renamed.mp4")
    assert captions_of(prepare()) == [None, None, None]
    assert "second" in (tmp_path / "out" / "metadata-before-2.jsonl").read_text()
    assert before.read_text() == mended


def test_a_list_that_was_damaged_is_not_written_over(
    film: Film, prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film()
    prepare()
    listed = tmp_path / "out" / "metadata.jsonl"
    listed.write_text(listed.read_text() + "{")
    damaged = listed.read_text()
    assert main([str(tmp_path / "footage"), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"The list that is there: {listed} cannot be read")
    assert listed.read_text() == damaged


def test_what_is_of_no_use_is_named(
    film: Film, prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = film("cut_off.mp4", (60, 60))
    whole = path.read_bytes()
    path.write_bytes(whole[:600])  # within its header
    film("short.mp4", (30, 10))
    (tmp_path / "footage" / "text.mp4").write_text("no video")
    still = tmp_path / "footage" / "still.mp4"
    write_video(still, [np.full((48, 64, 3), 128, np.uint8)] * 20 + [np.zeros((48, 64, 3), np.uint8)] * 20, fps=25)
    rows = prepare()
    assert {Path(row["file"]).name for row in rows} == {"short.mp4"}
    told = capsys.readouterr().out
    assert f"Left out: {tmp_path}/footage/text.mp4 is not a video" in told
    assert "1 short" in told
    assert "1 dark" in told
    assert "1 still" in told
    assert "Nothing is held out, as only one scene is of use." in told
    scenes = json.loads((tmp_path / "out" / "scenes.json").read_text())
    assert list(scenes["unread"]) == [str(path), str(tmp_path / "footage" / "text.mp4")]
    assert [scene["left_out"] is None for scene in scenes["scenes"]] == [True, False, False, False]


def test_frames_before_a_damaged_one_are_used(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "footage").mkdir()
    path = write(tmp_path / "footage" / "scratched.mp4", pictures((30, 40)), options={"g": "10", "bf": "0"})
    with av.open(str(path)) as container:
        entry = sorted(container.streams.video[0].index_entries, key=lambda entry: entry.pos)[55]
        place, size = entry.pos, entry.size
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    assert [row["file"][-26:-13] for row in prepare("--cut")] == ["000000-000030", "000030-000055"]
    assert spans(prepare()) == [(0, 30), (30, 55)]
    told = capsys.readouterr().out
    assert f"Used to frame 55: {path} is" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no/such"], "no/such does not exist: give video files, or folders of them.\n"),
        (["--threshold", "1"], "--threshold is 1: give a number from 0 on and below 1.\n"),
        (["--held-out", "-0.1"], "--held-out is -0.1: give a number from 0 on and below 1.\n"),
        (["--min-frames", "0"], "--min-frames is 0: give a number of frames, at least 1.\n"),
        (
            ["--max-frames", "20"],
            "--max-frames is 20, and --min-frames 16: give at least twice as many, so that no part of a scene is too "
            "short.\n",
        ),
        (["--size", "24", "24"], "--size is 24 24, and nothing is written without --cut: give both, or neither.\n"),
        (["--cut", "--size", "25", "24"], "--size is 25 24: give an even height and width.\n"),
        (
            ["--leave-out", "film.mp4"],
            "--leave-out is film.mp4: give a file's name and its scenes, such as film.mp4:1-3,17.\n",
        ),
        (
            ["--leave-out", "film.mp4:3-1"],
            "--leave-out is film.mp4:3-1: give a file's name and its scenes, such as film.mp4:1-3,17.\n",
        ),
        (
            ["--leave-out", "other.mp4:1"],
            "--leave-out names other.mp4, and no file of the footage is called that: mend the name.\n",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    film: Film, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    film()
    assert main([str(tmp_path / "footage"), *arguments, "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == told


def test_footage_of_no_use_at_all_is_an_error(film: Film, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = film(lengths=(10,))
    assert main([str(path), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"No scene is of use (scene 1 of {path} is left out: short: 10 frames, and --min-frames is 16): give longer or "
        "other footage, or change that option.\n"
    )
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told == f"footage: the folder {tmp_path / 'empty'} has no video file: give one that has.\n"
