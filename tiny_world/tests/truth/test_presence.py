"""Presence: how much of a subject is there, opaque or faded, and nothing where there is none."""

import numpy as np
import pytest

from tiny_world.truth.presence import presence
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.motion import state_of
from tiny_world.world.render import render, scene_of
from tiny_world.world.spec import EVENTS


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_it_is_the_share_that_can_be_seen(kind: str) -> None:
    for index in range(8):
        spec = sample_event(1, index, kind, 4)
        found, state = presence(render(spec, 40), spec), state_of(spec, 40)
        np.testing.assert_allclose(found, state.visible[:, 0], atol=0.12)
        assert found[state.visible[:, 0] < 0.001].max(initial=0) < 0.02


def test_what_is_faded_counts_by_its_share() -> None:
    spec = sample_event(1, 0, "bounce", 4)
    frames, scene = render(spec, 10).astype(float), scene_of(spec)
    for share in (0.5, 0.75):
        faded = np.round(scene + share * (frames - scene)).astype(np.uint8)
        np.testing.assert_allclose(presence(faded, spec), share, atol=0.1)
    gone = np.round(scene + 0.1 * (frames - scene)).astype(np.uint8)
    assert presence(gone, spec).max() < 0.02


def test_another_colour_is_none_of_it() -> None:
    spec = sample_event(1, 0, "bounce", 4)
    frames = render(spec, 10)
    swapped = np.where((frames != frames[:, :1, :1]).any(-1, keepdims=True), 255 - frames, frames)
    assert presence(swapped, spec).max() < 0.2
