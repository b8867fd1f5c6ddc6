"""The swap test of exvideo-eval on rendered clips: how often it alarms without cause, and how often it finds a freeze.

24 pairs are drawn from 49 held-out clips of 40 frames, with the features, the axes, the dimension and the tests that a
report has. The long tests print what they measure: pytest -m long -s tiny_world/tests/test_swap_test.py
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from exvideo_eval.clip_set import ClipSet, measure
from exvideo_eval.contrast import contrasts
from exvideo_eval.curve_measures import curve_measures
from exvideo_eval.distance_measures import Distances, axes_of
from exvideo_eval.exchange import exchange_test
from exvideo_eval.execution import Execution
from exvideo_eval.file_cache import opened_cache
from exvideo_eval.frame_curves import CURVES
from exvideo_eval.measure import Measure
from exvideo_eval.measured_file import Instruments
from exvideo_eval.plan import ClipPlan
from exvideo_eval.projection import affordable_dimension
from exvideo_eval.statistics import Resampling
from exvideo_eval.tiny_world.judge_features import JudgeFeatures
from exvideo_eval.tiny_world.judges import load_judges
from exvideo_infer.video_file import read_clip, write_video

from tiny_world.world.clip_files import write_clips
from tiny_world.world.spec import FPS, FRAME_SIZE

POOL, PAIRS, NUM_FRAMES, FROZEN_AFTER = 49, 24, 40, 8
DRAWS, LEVEL = 199, 0.05  # 199 exchanges: p values are multiples of 1 / 200, so that 0.05 is one of them
POWER_REPEATS, NULL_REPEATS = 200, 2000
Sets = dict[str, ClipSet]


def frozen(frames: np.ndarray) -> np.ndarray:
    return frames[np.minimum(np.arange(len(frames)), FROZEN_AFTER - 1)]


def faithful(frames: np.ndarray) -> np.ndarray:
    """The same clip with the noise of another camera, and encoded once more."""
    noise = np.random.default_rng(int(frames.sum())).normal(0, 2, frames.shape)
    return np.clip(frames + noise, 0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    """The real clips, and two sets of their names."""
    folder = tmp_path_factory.mktemp("pool")
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {"generated": frozen, "baseline": faithful}
    for path, _ in write_clips(folder / "real", POOL, NUM_FRAMES, seed=1, split="held_out"):
        frames = read_clip(path).permute(0, 2, 3, 1).numpy()
        for role, change in changes.items():
            (folder / role).mkdir(exist_ok=True)
            write_video(folder / role / path.name, change(frames), FPS)
    plan = ClipPlan(num_frames=NUM_FRAMES, size=(FRAME_SIZE, FRAME_SIZE), window=16, window_stride=8)
    instruments = Instruments(plan, JudgeFeatures(load_judges()))
    with opened_cache(instruments, Execution()) as cache:
        sets = measure({role: folder / role for role in ("real", *changes)}, instruments, cache, Execution())
        return {role: at_hand(clips) for role, clips in sets.items()}


def at_hand(clips: ClipSet) -> ClipSet:
    """With its features in memory: the cache is gone when the tests are run."""
    return replace(clips, features=list(clips.features))  # type: ignore[arg-type]


def drawn(pool: Sets, random: np.random.Generator) -> Sets:
    chosen = random.choice(POOL, PAIRS, replace=False)
    return {
        role: replace(
            clips,
            sources=tuple(clips.sources[number] for number in chosen),
            features=[clips.features[number] for number in chosen],  # type: ignore[arg-type]
            curves={name: values[chosen] for name, values in clips.curves.items()},
        )
        for role, clips in pool.items()
    }


def exchanged(one: ClipSet, other: ClipSet, random: np.random.Generator) -> tuple[ClipSet, ClipSet]:
    """Two sets with clips changed between them pair by pair, by chance: which set is which then says nothing."""
    kept = random.random(PAIRS) < 0.5
    sides = []
    for first, second in ((one, other), (other, one)):
        pairs = zip(first.features, second.features, kept, strict=True)
        features = [mine if keep else theirs for mine, theirs, keep in pairs]
        curves = {name: np.where(kept[:, None], first.curves[name], second.curves[name]) for name in first.curves}
        sides.append(replace(first, features=features, curves=curves))  # type: ignore[arg-type]
    return sides[0], sides[1]


def measures(role: str, real: ClipSet, others: Sequence[ClipSet]) -> list[Measure]:
    """A report's distances, and ratios and mismatches of two curves."""
    axes = axes_of(real, affordable_dimension(PAIRS, PAIRS, real.features[0].shape[1]))
    distances = Distances.of(real, others, "judges'", axes)
    clips = next(clips for clips in others if clips.role == role)
    of_curves = [
        item
        for curve in CURVES
        if curve.name in ("motion energy", "distance to first frame")
        for item in curve_measures(curve, *(each.of_clips(each.curves[curve.name]) for each in (clips, real)))
    ]
    every = [*distances.measures(role), *of_curves]
    return [item for item in every if item.difference is not None]


def alarms(sets: Iterable[tuple[ClipSet, ClipSet]]) -> dict[str, float]:
    """By measure, the share of pairs of sets of which the swap test says that they differ."""
    found: dict[str, list[bool]] = {}
    for seed, (generated, real) in enumerate(sets):
        for item in measures("generated", real, [generated]):
            assert item.difference is not None
            first, second = item.tested() if item.tested else item.sets
            tested = exchange_test(item.difference, first, second, Resampling(DRAWS, seed=seed))
            assert tested is not None
            assert tested.significance.method == f"swap test within pairs, {DRAWS} draws"
            found.setdefault(item.name, []).append(tested.significance.p_value <= LEVEL)
    return {name: float(np.mean(values)) for name, values in found.items()}


def told(what: str, shares: dict[str, float], repeats: int) -> None:
    for name, share in shares.items():
        error = np.sqrt(share * (1 - share) / repeats)
        print(f"{what}: {name}: {share:.4f} of {repeats}, standard error {error:.4f}")


@pytest.mark.long
def test_a_clip_frozen_after_frame_8_is_found_in_24_pairs(pool: Sets) -> None:
    random = np.random.default_rng(0)
    draws = [drawn(pool, random) for _ in range(POWER_REPEATS)]
    shares = alarms((sets["generated"], sets["real"]) for sets in draws)
    told("power against real clips", shares, POWER_REPEATS)
    assert min(share for name, share in shares.items() if "distance, " in name) >= 0.95
    assert shares["motion energy, ratio to real"] >= 0.95
    assert shares["motion energy, mismatch to real"] >= 0.95


@pytest.mark.long
def test_it_is_found_worse_than_a_faithful_rendering(pool: Sets) -> None:
    random = np.random.default_rng(1)
    found: dict[str, list[bool]] = {}
    for seed in range(POWER_REPEATS):
        sets = drawn(pool, random)
        others = [sets["generated"], sets["baseline"]]
        sides = [measures(role, sets["real"], others) for role in ("generated", "baseline")]
        for ours, theirs in zip(*sides, strict=True):
            if ours.name.startswith(("Fréchet", "motion energy")):
                difference, _ = contrasts(ours, theirs, "baseline", Resampling(DRAWS, seed=seed))[0]
                assert difference.significance is not None
                found.setdefault(ours.name, []).append(difference.significance.p_value <= LEVEL)
    shares = {name: float(np.mean(values)) for name, values in found.items()}
    told("power against a baseline", shares, POWER_REPEATS)
    assert len(shares) == 3
    assert min(shares.values()) >= 0.95


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("other", ["generated", "baseline"])
def test_sets_whose_pairs_were_exchanged_by_chance_alarm_5_times_of_100(other: str, pool: Sets) -> None:
    random = np.random.default_rng(2)
    sets = (drawn(pool, random) for _ in range(NULL_REPEATS))
    pairs = (exchanged(replace(each[other], role="generated"), each["real"], random) for each in sets)
    shares = alarms(pairs)
    told(f"false alarms, {other} and real", shares, NULL_REPEATS)
    # Exactly valid, so at most 0.05 in truth. An estimate may exceed it by what is left open in so many repeats, of so
    # many measures.
    reach = NormalDist().inv_cdf(1 - 0.05 / len(shares))
    assert max(shares.values()) <= LEVEL + reach * np.sqrt(LEVEL * (1 - LEVEL) / NULL_REPEATS)
