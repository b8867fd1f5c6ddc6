"""Sets of several seeds as tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_world.truth.figures import median_known
from tiny_world.truth.measured_set import MeasuredSet, measure, read_truth
from tiny_world.truth.over_seeds import (
    CURVES,
    mean_metric,
    measure_named,
    measured,
    paired_tables,
    ratio_metric,
    table,
)
from tiny_world.world.clip_files import write_clips

ERRORS = np.array([[9.0, 1.0, 2.0, np.nan], [9.0, 3.0, 3.0, 6.0]])  # (clips, frames) of a seed


def of_velocity(values: np.ndarray) -> MeasuredSet:
    return MeasuredSet("made", Path(), ("a", "b"), 4, {"velocity_error": values}, np.full(2, np.nan))


def test_a_table_leaves_out_the_first_frame_and_joins_the_others() -> None:
    sets = [of_velocity(ERRORS), of_velocity(ERRORS + 1)]
    velocity = measure_named("velocity error")
    np.testing.assert_allclose(table(velocity, sets), [[1.5, 4.0], [2.5, 5.0]])
    np.testing.assert_allclose(table(velocity, sets, median_known), [[1.5, 3.0], [2.5, 4.0]])


def test_a_pair_of_tables_is_of_the_frames_that_both_know() -> None:
    ours, theirs = paired_tables(measure_named("velocity error"), [of_velocity(ERRORS)], [of_velocity(ERRORS[::-1])])
    np.testing.assert_allclose(ours, [[1.5, 3.0]])
    np.testing.assert_allclose(theirs, [[3.0, 1.5]])


def test_clips_that_a_seed_says_nothing_of_have_no_part() -> None:
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    found = mean_metric("x", "pixels", "lower", values)
    assert (found.value, found.n) == (2.5, 2)
    ratio = ratio_metric("x", "lower", values, 2 * values)
    assert (ratio.value, ratio.n) == (0.5, 2)
    assert ratio.interval is not None
    assert ratio.interval.low == pytest.approx(0.5)
    assert mean_metric("x", "pixels", "lower", values[1:]).interval is None  # of one seed


def test_what_was_measured_is_read_again_as_it_was(tmp_path: Path) -> None:
    list(write_clips(tmp_path, 3, 4, 5, "seen"))
    real = read_truth(tmp_path)
    first = measured(tmp_path, real)
    again, expected = measured(tmp_path, real), measure("x", tmp_path, real)
    for name, values in expected.curves.items():
        np.testing.assert_array_equal(again.curves[name], values)
        np.testing.assert_array_equal(first.curves[name], values)
    np.testing.assert_array_equal(again.turn_error, expected.turn_error)
    assert again.files == expected.files


def test_other_clips_are_measured_anew(tmp_path: Path) -> None:
    list(write_clips(tmp_path, 3, 4, 5, "seen"))
    real = read_truth(tmp_path)
    assert measured(tmp_path, real).turn_error.shape == (3,)
    real[0].path.unlink()
    assert measured(tmp_path, real[1:]).turn_error.shape == (2,)
    kept = (tmp_path / CURVES).stat().st_mtime_ns
    assert measured(tmp_path, [replace(clip) for clip in real[1:]]).turn_error.shape == (2,)
    assert (tmp_path / CURVES).stat().st_mtime_ns == kept


def test_what_another_tracker_found_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(write_clips(tmp_path, 3, 4, 5, "seen"))
    real = read_truth(tmp_path)
    measured(tmp_path, real)
    kept = (tmp_path / CURVES).stat().st_mtime_ns
    monkeypatch.setattr("tiny_world.truth.over_seeds._tracker_sha256", lambda: "other")
    measured(tmp_path, real)
    assert (tmp_path / CURVES).stat().st_mtime_ns > kept
