import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.clip_set import ClipSet
from exvideo_eval.distance_measures import Distances, axes_of, if_alike
from exvideo_eval.exchange import exchange_test
from exvideo_eval.statistics import Resampling


def clips_of(role: str, features: np.ndarray, files: Sequence[str] = ()) -> ClipSet:
    """A set of nothing but features (clips, windows, dimension), in pairs with others by number, or of these files."""
    sources = tuple(files) or tuple(f"{number:02}" for number in range(len(features)))
    nothing: dict[str, np.ndarray] = {}
    of_clips = list(features)
    return ClipSet(
        role, Path(role), sources, (), "", sources, of_clips, nothing, nothing, (), nothing, (), ()  # type: ignore[arg-type]
    )  # fmt: skip


def test_axes_of_the_real_clips_make_no_shift_off_them() -> None:
    """Off the axes of one of two equal sets that one is the stiller, which an exchange of clips would call a shift."""
    random, repeats, alarms = np.random.default_rng(0), 300, 0
    for seed in range(repeats):
        generated, real = (clips_of(role, random.standard_normal((24, 1, 40))) for role in ("generated", "real"))
        distances = Distances.of(real, [generated], "random", axes_of(real, 6))
        _, measure, _ = distances.measures("generated")
        assert measure.difference is not None
        first, second = measure.sets
        tested = exchange_test(measure.difference, first, second, Resampling(99, seed=seed))
        assert tested is not None
        alarms += tested.significance.p_value <= 0.05
    assert alarms / repeats <= 0.05 + 1.645 * np.sqrt(0.05 * 0.95 / repeats)


@pytest.mark.parametrize("lone", ["real", "generated"])
def test_clips_of_one_file_have_no_distance_that_leaves_out_pairs_of_one_file(lone: str) -> None:
    """Nor has a set against them: of a mean over no pairs there is no number."""
    random = np.random.default_rng(1)
    sets = {
        role: clips_of(role, random.standard_normal((5, 2, 12)), ["long"] * 5 if role == lone else ())
        for role in ("real", "generated")
    }
    distances = Distances.of(sets["real"], [sets["generated"]], "random", axes_of(sets["real"], 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = [measure.metric(Resampling(20))[0] for measure in distances.measures("generated")]
    assert [metric.quantity for metric in metrics] == ["Fréchet distance, random features"]
    assert metrics[0].interval is None
    assert distances.notes_of("generated") == [
        "No kernel distance and no shift of the mean off the axes: each needs 2 source files of each set."
    ]


def test_two_files_of_each_set_have_every_distance() -> None:
    random = np.random.default_rng(2)
    real, generated = (
        clips_of(role, random.standard_normal((4, 1, 12)), ["a", "a", "b", "b"]) for role in ("real", "generated")
    )
    distances = Distances.of(real, [generated], "random", axes_of(real, 2))
    assert len([measure.metric(Resampling(20)) for measure in distances.measures("generated")]) == 3
    assert distances.notes_of("generated") == []


@pytest.mark.parametrize(("clips_a_file", "alike"), [(1, 24), (2, 12), (3, None)])
def test_the_distance_of_sets_that_are_alike_is_of_the_clips_that_were_exchanged(
    clips_a_file: int, alike: int | None
) -> None:
    """One clip of each file is: where these do not fill the dimension, no such distance is told."""
    random = np.random.default_rng(3)
    files = [f"{number // clips_a_file:02}" for number in range(24)]
    real, generated = (clips_of(role, random.standard_normal((24, 1, 12)), files) for role in ("real", "generated"))
    distances = Distances.of(real, [generated], "random", axes_of(real, 6))
    measure = distances.measures("generated")[0]
    _, _, exchange = measure.metric(Resampling(20))
    assert exchange is not None
    assert [metric.n for metric in if_alike(measure, exchange)] == ([] if alike is None else [alike])
