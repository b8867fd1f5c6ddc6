"""Figures over clips and seeds."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tiny_world.truth.measured_set import MOVING_KINDS, MeasuredSet, read_truth
from tiny_world.truth.measures import TruthMeasures
from tiny_world.truth.over_seeds import TURNS
from tiny_world.wan.figures import ERROR, SHARE, as_json, error_ratio, errors_by_kind, metrics_of
from tiny_world.world.clip_files import write_clips

CLIPS, FRAMES = 6, 5


def made(displacement: NDArray[np.float64]) -> MeasuredSet:
    curves = {field.name: np.ones((CLIPS, FRAMES)) for field in fields(TruthMeasures)}
    curves |= {"displacement": displacement, "true_displacement": np.full((CLIPS, FRAMES), 10.0)}
    return MeasuredSet("made", Path(), ("a",) * CLIPS, FRAMES, curves, np.full(CLIPS, np.nan))


def seeds(distance: float) -> list[MeasuredSet]:
    """Three seeds of clips that are so far from where they should be, more or less, from the second frame on."""
    random = np.random.default_rng(0)
    return [made(10.0 - distance * (0.8 + 0.4 * random.random((CLIPS, FRAMES)))) for _ in range(3)]


def test_the_ratio_of_two_ways_is_of_frames_that_both_know_and_of_clips_that_all_seeds_know() -> None:
    near, far = seeds(2.0), seeds(8.0)
    assert error_ratio("ratio", near, far).value == pytest.approx(0.25)
    near[1].curves["displacement"][0, 2:] = np.nan  # its other frames stay
    far[2].curves["displacement"][1] = np.nan  # this clip goes
    near[0].curves["displacement"][:, 0] = -1e6  # the first frame is in no figure
    found = error_ratio("ratio", near, far)
    assert found.value == pytest.approx(0.25, abs=1e-3)
    assert found.n == CLIPS - 1
    assert found.interval is not None
    assert found.interval.low <= 0.25 <= found.interval.high


def test_a_way_has_a_mean_of_each_measure_and_the_share_of_the_true_way_that_it_goes() -> None:
    sets = seeds(5.0)
    for one in sets:
        one.turn_error[:4] = 2.0
    found = {metric.name: metric for metric in metrics_of("lora", sets)}
    assert found[f"{ERROR}: lora"].value == pytest.approx(5.0, abs=0.3)
    assert found[f"{SHARE}: lora"].value == pytest.approx(0.5, abs=0.03)
    assert (found[f"{TURNS}: lora"].value, found[f"{TURNS}: lora"].n) == (2.0, 4)
    assert as_json(found["permanence: lora"]) == {"value": 1.0, "interval": [1.0, 1.0], "clips": 6, "unit": "share"}


def test_errors_by_kind_are_means_of_the_clips_of_a_kind(tmp_path: Path) -> None:
    list(write_clips(tmp_path, 7, 2, 5, "seen"))  # one of each kind, of which five move
    real = read_truth(tmp_path)
    moving = [clip.spec.motion.kind in MOVING_KINDS for clip in real]
    sets = []
    for of_seed in (1.0, 3.0):
        curves = {field.name: np.ones((7, 2)) for field in fields(TruthMeasures)}
        curves["displacement"] = 1 + of_seed * np.where(moving, np.arange(7), np.nan)[:, None] * np.ones((7, 2))
        sets.append(MeasuredSet("made", Path(), ("a",) * 7, 2, curves, np.full(7, np.nan)))
    expected = {clip.spec.motion.kind: 2.0 * place for place, clip in enumerate(real) if moving[place]}
    assert errors_by_kind(sets, real) == expected
