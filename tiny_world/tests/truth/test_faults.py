"""Clips of every kind of motion with one fault pasted in, through MP4 files: a second copy, another colour."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from exvideo_infer.video_file import read_clip, write_video

from tiny_world.truth.measures import TruthMeasures, compare
from tiny_world.truth.tracker import Track, track
from tiny_world.world.motion import PULSE_RADII, State, state_of
from tiny_world.world.render import draw, subject_coverage
from tiny_world.world.sampler import sample_spec
from tiny_world.world.shapes import REACH
from tiny_world.world.spec import COLOURS, DIRECTIONS, FPS, FRAME_SIZE, SIZES, ClipSpec

NUM_FRAMES = 24
HALF = NUM_FRAMES // 2
WHITE, ORANGE, PURPLE = (245.0, 245.0, 245.0), (250.0, 140.0, 20.0), (130.0, 20.0, 150.0)


def by_half_the_picture(spec: ClipSpec) -> float:
    return FRAME_SIZE / 2


def touching(spec: ClipSpec) -> float:
    _, up, down = REACH[spec.subjects[0].shape]
    largest = PULSE_RADII[1] if spec.motion.kind == "pulses" else SIZES[spec.subjects[0].size]
    return (up + down) * largest


def near(spec: ClipSpec) -> float:
    """With three pixels between the two."""
    return touching(spec) + 3


def with_another(
    spec: ClipSpec, state: State, apart: float, start: int, colour: tuple[float, float, float] | None = None
) -> np.ndarray:
    """A clip in which the first subject is there again from a frame on, `apart` pixels above or below."""
    frames = draw(spec, state).astype(np.float32)
    way = np.where(state.centre[:, :1, 1] < FRAME_SIZE / 2, apart, -apart)
    moved = replace(state, centre=state.centre + np.stack([np.zeros_like(way), way], axis=-1))
    share = subject_coverage(spec, moved)[start:, ..., None]
    colours = np.broadcast_to(colour or state.colour[start:, 0], (len(frames) - start, 3)).astype(np.float32)
    frames[start:] += share * (colours[:, None, None] - frames[start:])
    return np.round(frames).astype(np.uint8)


def recoloured(spec: ClipSpec, state: State, colour: tuple[float, float, float], start: int) -> np.ndarray:
    """A clip whose first subject has another colour from a frame on."""
    colours = state.colour.copy()
    colours[start:, 0] = colour
    return draw(spec, replace(state, colour=colours))


def measured(spec: ClipSpec, state: State, frames: np.ndarray, folder: Path) -> tuple[Track, TruthMeasures]:
    """Through an MP4 file, as every clip that is judged."""
    write_video(folder / "clip.mp4", frames, FPS)
    found = track(read_clip(folder / "clip.mp4").permute(0, 2, 3, 1).numpy(), spec)
    return found, compare(found, state, spec)


def whole(state: State) -> np.ndarray:
    """(T,): nothing is hidden."""
    return state.visible.min(axis=1) > 0.98


def one_of_each_kind() -> list[ClipSpec]:
    """The first held-out clip of each kind of motion that shows its subject in both halves."""
    found: dict[str, ClipSpec] = {}
    for spec in (sample_spec(9, index, "held_out") for index in range(5 * len(DIRECTIONS))):
        seen = whole(state_of(spec, NUM_FRAMES))
        if min(seen[:HALF].sum(), seen[HALF:].sum()) >= 3:
            found.setdefault(spec.motion.kind, spec)
    assert len(found) == len(DIRECTIONS)
    return list(found.values())


SPECS = one_of_each_kind()


def _long_copies() -> list[ParameterSet]:
    places = (by_half_the_picture, near, touching)
    every = [(apart, start) for apart in places for start in (0, HALF) if (apart, start) != (near, HALF)]
    return [pytest.param(*each, marks=pytest.mark.long) for each in every]


def _long_recolourings() -> list[ParameterSet]:
    colours = (WHITE, ORANGE, PURPLE, *COLOURS.values())
    every = [(colour, start) for colour in colours for start in (0, HALF) if (colour, start) != (ORANGE, HALF)]
    return [pytest.param(*each, marks=pytest.mark.long) for each in every]


@pytest.mark.parametrize(("apart", "start"), [(near, HALF), *_long_copies()])
def test_a_second_copy_of_a_subject_is_counted(apart: Callable[[ClipSpec], float], start: int, tmp_path: Path) -> None:
    for spec in SPECS:
        if apart is touching and spec.motion.kind == "pulses":
            continue  # at its smallest, it and its copy are no larger than it may be
        state = state_of(spec, NUM_FRAMES)
        clip = with_another(spec, state, apart(spec), start)
        _, measures = measured(spec, state, clip, tmp_path)
        assert (measures.extra_bodies[:start] == 0).all(), spec
        assert (measures.extra_bodies[start:][whole(state)[start:]] == 1).mean() > 0.95, spec
        assert np.nanmean(measures.judged_right[start:]) < 0.05, spec
        assert (measures.judged_right[:start][whole(state)[:start]] == 1).all(), spec


@pytest.mark.parametrize(("colour", "start"), [(ORANGE, HALF), *_long_recolourings()])
def test_a_recoloured_subject_is_followed(colour: tuple[float, float, float], start: int, tmp_path: Path) -> None:
    followed = 0
    for spec in SPECS:
        if is_near_a_subjects(colour, spec):
            continue
        state = state_of(spec, NUM_FRAMES)
        found, measures = measured(spec, state, recoloured(spec, state, colour, start), tmp_path)
        seen = whole(state)
        assert (found.recoloured[:, 0] == (np.arange(NUM_FRAMES) >= start))[seen].all(), spec
        assert not found.recoloured[:, 1:].any(), spec
        assert np.nanmax(measures.trajectory_error[seen]) < 1.2, spec
        assert np.nanmin(measures.colour_error[start:][seen[start:]]) > 50 / len(spec.subjects), spec
        assert (measures.censored[seen] == 0).all(), spec
        assert (measures.shape_right[seen] == 1).mean() > 0.95, spec
        assert (measures.extra_bodies[seen] == 0).all(), spec
        assert (measures.judged_right[seen] == (np.arange(NUM_FRAMES) < start)[seen]).all(), spec
        followed += 1
    assert followed >= 3


def is_near_a_subjects(colour: tuple[float, float, float], spec: ClipSpec) -> bool:
    """A colour that a subject has, or has on its way to its second one, is no fault that frames alone can tell."""
    names = [subject.colour for subject in spec.subjects] + [spec.motion.second_colour or spec.subjects[0].colour]
    first, last = (np.array(COLOURS[names[end]]) for end in (0, -1))
    way = [first + share * (last - first) for share in np.linspace(0, 1, 9)] if spec.motion.second_colour else []
    return bool(min(np.linalg.norm(colour - known) for known in (*way, *(np.array(COLOURS[n]) for n in names))) < 100)


def test_of_two_subjects_that_change_colour_each_is_followed(tmp_path: Path) -> None:
    spec = next(spec for spec in SPECS if spec.motion.kind == "meets")
    state = state_of(spec, NUM_FRAMES)
    colours = state.colour.copy()
    colours[HALF:, 0], colours[HALF:, 1] = WHITE, PURPLE
    found, measures = measured(spec, state, draw(spec, replace(state, colour=colours)), tmp_path)
    assert (found.recoloured == (np.arange(NUM_FRAMES) >= HALF)[:, None]).all()
    assert measures.trajectory_error.max() < 1.2
    assert (measures.extra_bodies == 0).all()
    assert (measures.judged_right == (np.arange(NUM_FRAMES) < HALF)).all()


def test_a_body_of_another_colour_is_one_too_many(tmp_path: Path) -> None:
    for spec in SPECS:
        state = state_of(spec, NUM_FRAMES)
        clip = with_another(spec, state, by_half_the_picture(spec), HALF, colour=WHITE)
        found, measures = measured(spec, state, clip, tmp_path)
        seen = whole(state)
        assert (measures.extra_bodies == (np.arange(NUM_FRAMES) >= HALF))[seen].all(), spec
        assert not found.recoloured[seen].any(), spec
        assert np.nanmax(measures.trajectory_error[seen]) < 1.2, spec
