"""Each fault is what its name says, and nothing else."""

import numpy as np
import pytest

from benchmarks.faults import faults
from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.faults import Frames


@pytest.fixture(scope="module")
def clip() -> Frames:
    """A smooth picture that moves to the left, (24, 32, 48, 3)."""
    rows, columns, places = np.mgrid[:32, :48, :24]
    levels = 120 + 60 * np.sin(columns / 4 + places / 3) * np.cos(rows / 5)
    grey = np.moveaxis(levels, -1, 0)[..., None]
    return np.round(grey * np.array([1.0, 0.8, 0.6])).astype(np.uint8)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_the_shape_changes_the_clip_and_is_the_same_each_time(name: str, clip: Frames) -> None:
    before = clip.copy()
    found = FAULTS[name].apply(clip)
    assert found.shape == clip.shape
    assert found.dtype == np.uint8
    assert not np.array_equal(found, clip)
    assert np.array_equal(found, FAULTS[name].apply(clip))
    assert np.array_equal(clip, before)


def test_faults_of_time_take_frames_as_they_are(clip: Frames) -> None:
    orders = {
        faults.frozen: [0] * 24,
        faults.looped: [*range(12), *range(12)],
        faults.run_back: [*range(12), *range(11, -1, -1)],
        faults.reversed_in_time: [*range(23, -1, -1)],
    }
    for fault, order in orders.items():
        assert np.array_equal(fault(clip), clip[order]), fault
    assert sorted(frame.tobytes() for frame in faults.shuffled(clip)) == sorted(frame.tobytes() for frame in clip)


def test_a_seam_begins_in_the_middle(clip: Frames) -> None:
    assert np.array_equal(faults.seamed(clip)[:12], clip[:12])
    assert np.array_equal(faults.seamed(clip)[12:, :, 3:], clip[12:, :, :-3])


def test_what_drifts_begins_with_nothing_and_ends_with_all(clip: Frames) -> None:
    for fault in (faults.fading, faults.noisy, faults.blurred):
        assert np.array_equal(fault(clip)[0], clip[0]), fault
    last = clip[-1].astype(float)
    assert faults.fading(clip)[-1] == pytest.approx((1 - faults.FADE) * last, abs=0.5)
    assert np.std(faults.noisy(np.full_like(clip, 128))[-1].astype(float)) == pytest.approx(faults.NOISE, rel=0.05)
    rough = np.random.default_rng(0).integers(0, 256, clip.shape).astype(np.uint8)
    assert faults.blurred(rough)[-1].std() < 0.3 * rough[-1].std()
    assert faults.blurred(np.full_like(clip, 77)) == pytest.approx(77)


def test_a_copy_of_the_middle_stands_beside_it(clip: Frames) -> None:
    found = faults.duplicated(clip)
    assert np.array_equal(found[:, 16, 12], clip[:, 16, 24])
    assert np.array_equal(found[:, :, 24:], clip[:, :, 24:])


def test_hues_turn_and_luma_stays(clip: Frames) -> None:
    found = faults.recoloured(clip)
    assert found @ faults._LUMA == pytest.approx(clip @ faults._LUMA, abs=1)
    assert (clip[..., 0] >= clip[..., 2]).all()
    assert (found[..., 0] <= found[..., 2] + 1).all()
