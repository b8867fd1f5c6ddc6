"""The tracker against the truth: its error at best is the floor under all truth measures."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import read_clip

from tiny_world.truth.measures import TruthMeasures, compare, turn_timing
from tiny_world.truth.tracker import Track, track
from tiny_world.world.clip_files import ClipFile, read_clip_file, write_clips
from tiny_world.world.motion import state_of
from tiny_world.world.render import render, wrapped_axis
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import FRAME_SIZE, SHAPES

Decoded = list[tuple[ClipFile, Track]]


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Decoded:
    """28 clips of 40 frames, written as MP4 files, read back and tracked."""
    folder = tmp_path_factory.mktemp("clips")
    files = [read_clip_file(path) for path, _ in write_clips(folder, 28, 40, seed=9, split="held_out")]
    return [(clip, track(read_frames(clip.path), clip.spec)) for clip in files]


def read_frames(path: Path) -> np.ndarray:
    return read_clip(path).permute(0, 2, 3, 1).numpy()


def offsets(clip: ClipFile, found: Track) -> np.ndarray:
    """(n, 2) pixels from the true centre, over all frames in which a whole subject can be seen."""
    offset, wrapped = found.centre - clip.state.centre, wrapped_axis(clip.spec)
    if wrapped is not None:
        offset[..., wrapped] = (offset[..., wrapped] + FRAME_SIZE / 2) % FRAME_SIZE - FRAME_SIZE / 2
    return offset[clip.state.visible > 0.98]


def test_the_floor_in_rendered_frames() -> None:
    errors = []
    for index in range(21):
        spec = sample_spec(9, index)
        state, found = state_of(spec, 12), track(render(spec, 12), spec)
        clip = ClipFile(Path(), "", "", spec, state)
        errors.append(np.linalg.norm(offsets(clip, found), axis=1))
    assert np.concatenate(errors).mean() < 0.1
    assert np.concatenate(errors).max() < 1


def test_the_floor_in_decoded_frames(decoded: Decoded) -> None:
    errors = np.concatenate([np.linalg.norm(offsets(clip, found), axis=1) for clip, found in decoded])
    assert errors.mean() < 0.35  # nearly all of it the same in every frame: colour is stored at half the resolution
    assert np.quantile(errors, 0.99) < 0.9
    assert np.concatenate([offsets(clip, found) for clip, found in decoded]).std(axis=0).max() < 0.25


def test_areas_colours_and_shapes_in_decoded_frames(decoded: Decoded) -> None:
    ratios = []
    for clip, found in decoded:
        whole = clip.state.visible > 0.98
        assert found.found[whole].all()
        ratios.append(found.area[whole] / clip.state.area[whole])
        assert abs(ratios[-1].mean() - 1) < 0.1  # a small ring is thin for colour at half the resolution
        assert np.linalg.norm(found.colour - clip.state.colour, axis=-1)[whole].mean() < 25
        for which, subject in enumerate(clip.spec.subjects):
            best = found.overlap[whole[:, which], which].argmax(axis=1)
            assert (best == SHAPES.index(subject.shape)).mean() > 0.95
    assert abs(np.concatenate(ratios).mean() - 1) < 0.02


def test_what_is_hidden_is_not_found(decoded: Decoded) -> None:
    hidden = [(clip, found) for clip, found in decoded if (clip.state.visible < 0.001).any()]
    assert hidden
    for clip, found in hidden:
        gone = clip.state.visible < 0.001
        assert not found.found[gone].any()
        assert np.isnan(found.centre[gone]).all()
        assert abs(found.visible - clip.state.visible).max() < 0.25


def test_the_truth_measures_have_a_floor(decoded: Decoded) -> None:
    mean = _mean_curves(compare(found, clip.state, clip.spec) for clip, found in decoded)
    assert np.nanmax(abs(mean["displacement"] - mean["true_displacement"])) < 0.3
    assert np.nanmax(mean["velocity_error"]) < 0.2
    assert np.nanmin(mean["permanence"]) > 0.97
    assert np.nanmin(mean["shape_right"]) > 0.95
    assert abs(mean["area_ratio"] - 1).max() < 0.05


def test_a_frozen_clip_falls_short_in_displacement_but_not_in_shape(decoded: Decoded) -> None:
    moving = [clip for clip, _ in decoded if clip.spec.motion.kind in ("crosses", "bounces", "orbits")]
    curves = []
    for clip in moving:
        still = np.repeat(read_frames(clip.path)[:1], 40, axis=0)
        curves.append(compare(track(still, clip.spec), clip.state, clip.spec))
    mean = _mean_curves(iter(curves))
    assert mean["displacement"].max() == 0
    assert mean["true_displacement"][8:].min() > 8
    assert np.nanmin(mean["velocity_error"]) > 1.5
    assert mean["shape_right"].min() > 0.95


def test_turns_are_found_when_they_happen(decoded: Decoded) -> None:
    timings = [turn_timing(found, clip.state, clip.spec) for clip, found in decoded]
    with_turns = [timing for timing in timings if timing.true]
    assert len(with_turns) > 10
    assert np.mean([timing.error for timing in with_turns]) < 0.4
    assert all(len(timing.found) - len(timing.true) in (-1, 0, 1) for timing in timings)


def test_true_turns_are_those_of_the_rule(decoded: Decoded) -> None:
    for clip, found in decoded:
        if clip.spec.motion.kind in ("bounces", "meets", "pulses", "recolours"):
            happened = np.flatnonzero(clip.state.turned.any(axis=1))
            for turn in turn_timing(found, clip.state, clip.spec).true:
                assert abs(happened - turn).min() <= 1


def test_a_clip_without_its_subject() -> None:
    spec = sample_spec(9, 0)
    nothing = np.full((5, FRAME_SIZE, FRAME_SIZE, 3), 40, np.uint8)
    found = track(nothing, spec)
    assert not found.found.any()
    measures = compare(found, state_of(spec, 5), spec)
    assert np.isnan(measures.displacement).all()
    assert (measures.permanence == 0).all()


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="32, 32"):
        track(np.zeros((4, 32, 32, 3), np.uint8), sample_spec(0, 0))


def test_a_track_of_another_length_is_refused() -> None:
    spec = sample_spec(9, 0)
    with pytest.raises(ValueError, match="one clip"):
        compare(track(render(spec, 4), spec), state_of(spec, 5), spec)


def _mean_curves(measures: Iterator[TruthMeasures]) -> dict[str, np.ndarray]:
    every = list(measures)
    stacked = {field.name: np.stack([getattr(m, field.name) for m in every]) for field in fields(TruthMeasures)}
    return {name: np.nanmean(curves[:, curves.shape[1] > 1 :], axis=0) for name, curves in stacked.items()}
