from pathlib import Path

import numpy as np
from exvideo_eval.clip_set import ClipSet
from exvideo_eval.distance_measures import Distances, axes_of
from exvideo_eval.exchange import exchange_test
from exvideo_eval.statistics import Resampling


def clips_of(role: str, features: np.ndarray) -> ClipSet:
    """A set of nothing but features (clips, windows, dimension), in pairs with others by number."""
    sources = tuple(f"{number:02}" for number in range(len(features)))
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
        (measure,) = distances.shift_measure("generated")
        assert measure.difference is not None
        first, second = measure.sets
        tested = exchange_test(measure.difference, first, second, Resampling(99, seed=seed))
        assert tested is not None
        alarms += tested.significance.p_value <= 0.05
    assert alarms / repeats <= 0.05 + 1.645 * np.sqrt(0.05 * 0.95 / repeats)
