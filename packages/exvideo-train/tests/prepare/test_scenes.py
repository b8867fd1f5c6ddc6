"""Scenes: no frame is lost or used twice, those of no use have a reason, whole ones are held out."""

from pathlib import Path

import pytest
from exvideo_train.prepare.analysis import Analysis
from exvideo_train.prepare.scenes import Rules, Scene, find_scenes, hold_out, in_no_scene, parts
from hypothesis import given
from hypothesis import strategies as st

FILM = Path("film.mp4")
ALL = Rules(min_frames=1, min_brightness=0, min_motion=0)


def analysed(ends: list[float], brightness: float = 0.5, motion: float = 0.1) -> Analysis:
    count = len(ends)
    return Analysis(24.0, 48, 64, tuple(ends), (brightness,) * count, (motion,) * count)


def spans(ends: list[float], threshold: float = 0.5) -> list[tuple[int, int]]:
    scenes = find_scenes(FILM, analysed(ends), Rules(threshold, 1, None, 0, 0))
    return [(scene.start, scene.end) for scene in scenes]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([0.0] * 5, [(0, 5)]),
        ([0, 0, 0.9, 0, 0], [(0, 3), (3, 5)]),
        ([0, 0.6, 0.9, 0.6, 0], [(0, 2), (4, 5)]),  # a fade: what is between its ends is in none
        ([0.9, 0, 0], [(0, 1), (1, 3)]),
        ([0, 0, 0.9], [(0, 3)]),
        ([0.9, 0.9, 0.9], [(0, 1)]),
        ([0.9], [(0, 1)]),
        ([0.0], [(0, 1)]),
    ],
)
def test_a_scene_ends_with_the_last_frame_of_its_shot(ends: list[float], expected: list[tuple[int, int]]) -> None:
    assert spans(ends) == expected


def test_the_threshold_says_how_likely() -> None:
    assert spans([0, 0.3, 0, 0.7, 0], 0.5) == [(0, 4), (4, 5)]
    assert spans([0, 0.3, 0, 0.7, 0], 0.2) == [(0, 2), (2, 4), (4, 5)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_scenes_do_not_overlap_and_no_calm_frame_is_in_none(ends: list[float]) -> None:
    found = [place for start, end in spans(ends) for place in range(start, end)]
    assert sorted(set(found)) == found
    assert {place for place, likelihood in enumerate(ends) if likelihood <= 0.5} <= set(found)
    scenes = find_scenes(FILM, analysed(ends), ALL)
    assert in_no_scene({FILM: analysed(ends)}, scenes) == len(ends) - len(found)
    assert [scene.number for scene in scenes] == list(range(1, len(scenes) + 1))


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (Rules(min_frames=4), "short: 3 frames, and --min-frames is 4"),
        (Rules(min_frames=3, min_brightness=0.6), "dark: a brightness of 0.500, and --min-brightness is 0.6"),
        (Rules(min_frames=3, min_motion=0.2), "still: a motion of 0.10000, and --min-motion is 0.2"),
        (Rules(min_frames=3, min_brightness=0.5, min_motion=0.1), None),
    ],
)
def test_a_scene_of_no_use_says_why(rules: Rules, kind: str | None) -> None:
    (scene,) = find_scenes(FILM, analysed([0, 0, 0]), rules)
    assert scene.left_out == kind


def test_the_jump_from_the_scene_before_is_no_motion() -> None:
    analysis = Analysis(24.0, 48, 64, (0, 0.9, 0, 0), (0.5,) * 4, (0, 0, 0.8, 0))
    assert [scene.motion for scene in find_scenes(FILM, analysis, ALL)] == [0, 0]


def test_scenes_that_a_person_does_not_want_are_left_out() -> None:
    ends = [0.0, 0.9] * 4
    scenes = find_scenes(FILM, analysed(ends), ALL, [range(1, 3), range(4, 5)])
    assert [scene.left_out for scene in scenes] == ["unwanted", "unwanted", None, "unwanted"]


@given(st.integers(2, 40), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_share_of_whole_scenes_is_held_out(count: int, share: float, seed: int) -> None:
    scenes = find_scenes(FILM, analysed([0.0, 0.9] * count), ALL, [range(1, 2)])
    held_out = [scene for scene in hold_out(scenes, share, seed) if scene.split == "validation"]
    useful = count - 1
    assert len(held_out) == (min(max(1, round(share * useful)), useful - 1))
    assert all(scene.left_out is None for scene in held_out)
    again = hold_out(scenes[::-1], share, seed)
    assert {scene.start for scene in again if scene.split == "validation"} == {scene.start for scene in held_out}


def test_another_seed_holds_out_others_and_no_share_none() -> None:
    scenes = find_scenes(FILM, analysed([0.0, 0.9] * 30), ALL)
    chosen = [tuple(scene.split for scene in hold_out(scenes, 0.2, seed)) for seed in (0, 1)]
    assert chosen[0] != chosen[1]
    assert {scene.split for scene in hold_out(scenes, 0, 0)} == {"train"}


@given(st.integers(1, 30), st.data())
def test_parts_are_whole_and_none_is_too_short(min_frames: int, data: st.DataObject) -> None:
    max_frames = data.draw(st.integers(2 * min_frames, 100))
    length = data.draw(st.integers(min_frames, 500))
    found = parts(Scene(FILM, 1, 7, 7 + length, 0.5, 0.1), max_frames)
    assert [place for start, end in found for place in range(start, end)] == list(range(7, 7 + length))
    assert all(min_frames <= end - start <= max_frames for start, end in found)


def test_without_a_limit_a_scene_is_whole() -> None:
    assert parts(Scene(FILM, 1, 7, 900, 0.5, 0.1), None) == [(7, 900)]
