"""Every method makes clips of the length that is asked for, at the cost that it tells."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exvideo_infer.beyond.rife import why_not as why_no_rife

from benchmarks.quality import analytic_init
from benchmarks.quality.cost import Meter
from benchmarks.quality.making import STEPS, Batch
from benchmarks.quality.methods import (
    CEILING,
    KINDS,
    UNTRAINED,
    keyframes,
    methods,
    steps_of_few,
    steps_of_keyframes,
)
from benchmarks.tests.quality.conftest import FRAMES
from tiny_world.world.clip_files import ClipFile

NAMES = tuple(methods(Path()))
QUICK = ("direct", "rife", "chain", "exvideo", "exvideo-rife", "spread")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in NAMES]
)
def test_a_method_makes_its_clips_at_the_cost_that_it_tells(
    name: str, pipe: Any, clips: list[ClipFile], moments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytic_init, "CLIPS", 2)
    method, batch, meter = methods(moments)[name], Batch(tuple(clips), (0, 1)), Meter()
    if method.needs_rife and why_no_rife():
        pytest.skip("RIFE is not installed")
    method.prepare(pipe, FRAMES)
    with meter.counted(pipe.unet):
        made = method.make(pipe, batch, FRAMES, 1)
    assert meter.frames == method.network_frames(FRAMES) // method.steps(FRAMES) * len(clips)
    assert [clip.shape for clip in made] == [(FRAMES, 64, 64, 3)] * len(clips)
    assert all(clip.dtype == np.uint8 for clip in made)
    assert not np.array_equal(made[0], made[1])


def test_what_is_called_equal_costs_the_same() -> None:
    known = methods(Path())
    for num_frames in (16, 40, 80, 128):
        whole, keys = (known[name].network_frames(num_frames) for name in ("direct", "rife"))
        equal = known["rife-equal"].network_frames(num_frames)
        assert abs(equal - whole) <= keyframes(num_frames)
        assert equal <= 1.01 * whole
        assert keys < whole / 1.5
    assert (steps_of_keyframes(40), steps_of_few(40)) == (53, 3)
    few = known["exvideo-few"].network_frames(40)
    assert few / known["rife"].network_frames(40) == pytest.approx(1, abs=0.15)


def test_kinds_are_known_and_a_ceiling_asks_no_network() -> None:
    for name, method in methods(Path()).items():
        assert method.kind in KINDS
        assert (method.network_frames(40) == 0) == (method.kind == CEILING), name
        assert method.kind != UNTRAINED or method.longest is None, name
        assert method.frames_together(40) <= 40
    assert methods(Path())["direct"].network_frames(40) == 2 * 40 * STEPS
    assert methods(Path())["chain"].frames_together(40) == 8
    assert methods(Path())["exvideo-chain"].frames_together(80) == 40
    assert methods(Path())["exvideo-chain"].frames(80) == 40 + 40 + 2  # the first frame of a clip is the last before
