"""Marks on the picture: as wide as told, on the side that a turn does not take, and in every frame."""

import numpy as np
import pytest

from tiny_world.world.event_sampler import sample_event
from tiny_world.world.events import UNSEEN, course_of, lane_of_events
from tiny_world.world.marks import mark_coverage
from tiny_world.world.motion import state_of
from tiny_world.world.paths import heading_of
from tiny_world.world.render import render, scene_of, subject_coverage
from tiny_world.world.spec import EVENTS, FRAME_SIZE, PLAIN_PLACES, ClipSpec


def clips(kind: str, duration: int) -> list[ClipSpec]:
    return [sample_event(2, index, kind, duration) for index in range(16)]


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_a_mark_has_its_width(kind: str) -> None:
    for spec in clips(kind, 5):
        widths = sum(end - start for start, end in course_of(spec).marks)
        depth = float(FRAME_SIZE)
        if kind == "turn":
            lane = lane_of_events(spec)
            depth = min(lane, FRAME_SIZE - lane)
        assert mark_coverage(spec).sum() == pytest.approx(widths * depth, rel=1e-4)
        assert 0 <= mark_coverage(spec).min() <= mark_coverage(spec).max() <= 1


def test_a_wedge_is_not_where_a_turn_goes() -> None:
    for spec in clips("turn", 4):
        state = state_of(spec, 40)
        axis, _ = heading_of(spec)
        lane = lane_of_events(spec)
        rows = mark_coverage(spec)[..., 0].sum(axis=1 if axis == 0 else 0)
        middle = (rows * (np.arange(FRAME_SIZE) + 0.5)).sum() / rows.sum()
        farthest = state.centre[state.event, 0, 1 - axis].mean()
        assert (middle - lane) * (farthest - lane) < 0


@pytest.mark.parametrize("kind", ["blink", "occlusion"])
def test_frames_of_an_event_show_the_scene_alone(kind: str) -> None:
    for spec in clips(kind, 4):
        state, frames = state_of(spec, 40), render(spec, 40).astype(int)
        scene = np.round(scene_of(spec)).astype(int)
        difference = abs(frames[state.event] - scene).sum(axis=(1, 2, 3)) / 255
        assert difference.max() < (0.01 if kind == "blink" else UNSEEN * 177 * 2)  # 177 pixels are a whole subject


def test_what_is_seen_beside_a_post_is_what_the_state_says() -> None:
    for spec in clips("occlusion", 3):
        state = state_of(spec, 60)
        seen = (subject_coverage(spec, state) * (1 - mark_coverage(spec)[..., 0])).sum(axis=(1, 2))
        np.testing.assert_allclose(seen / (np.pi * 7.5**2), state.visible[:, 0], atol=0.03)


def test_events_without_hiding_paint_subjects_over_marks() -> None:
    for spec in clips("turn", 4):
        if spec.background.place in PLAIN_PLACES:
            state, frames = state_of(spec, 40), render(spec, 40).astype(float)
            inside = subject_coverage(spec, state) == 1
            colour = frames[inside] - state.colour[0, 0]
            assert abs(colour).max() < 1
