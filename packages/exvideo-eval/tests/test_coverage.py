"""Simulated clips of known truth: twins and strangers, with windows of one clip alike, and how often intervals hold it.

The long test prints the table of docs/decisions/0012-statistics-of-clips.md (pytest -m long -s).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from exvideo_eval.contrast import contrasts
from exvideo_eval.kernel_table import KernelTable
from exvideo_eval.measure import JACKKNIFE, Measure
from exvideo_eval.result_parts import Interval
from exvideo_eval.set_distances import frechet
from exvideo_eval.statistics import (
    Clips,
    Resampling,
    Sample,
    Statistic,
    jackknife,
    percentile_interval,
    value_of,
)

WINDOWS, ALIKE = 4, 0.9
Array = np.ndarray


@dataclass(frozen=True)
class World:
    """Clips of `num_clips` source files a set, features (clips, WINDOWS, dimension); `apart`: how far the sets are."""

    num_clips: int
    dimension: int
    twins: bool
    apart: float = 0.5

    def draw(self, random: np.random.Generator) -> tuple[Clips, Clips]:
        """Generated and real clips; windows of one clip have correlation 0.9, twins about as much."""
        generated, real = self.sets(random, self.apart)
        return generated, real

    def sets(self, random: np.random.Generator, *apart: float) -> list[Clips]:
        """Sets that are so far from the real clips, and the real clips last."""
        scales = 1 / np.sqrt(1 + np.arange(self.dimension))
        real = scales * self._clips(random)
        generated = []
        for shift in apart:
            own = scales * self._clips(random)
            alike = real if self.twins else scales * self._normal(random, WINDOWS)
            generated.append(shift * scales + 0.8 * alike + 0.2 * own)
        names = ["" if self.twins else f"other{number}-" for number in range(len(apart))] + [""]
        return [
            Clips(values, tuple(f"{name}{index:04}" for index in range(self.num_clips)))
            for name, values in zip(names, [*generated, real], strict=True)
        ]

    def _clips(self, random: np.random.Generator) -> Array:
        return np.sqrt(ALIKE) * self._normal(random, 1) + np.sqrt(1 - ALIKE) * self._normal(random, WINDOWS)

    def _normal(self, random: np.random.Generator, windows: int) -> Array:
        return random.standard_normal((self.num_clips, windows, self.dimension))


def first_feature(clips: Clips) -> Clips:
    """One positive, skewed number a window, as motion energy is."""
    return Clips(np.exp(clips.values[..., 0] / 2), clips.sources)


def ratio_of_means(generated: Sample, real: Sample) -> Array:
    return generated.mean().mean(axis=1) / real.mean().mean(axis=1)


def of_first_features(generated: Clips, real: Clips) -> tuple[Statistic, list[Clips]]:
    return ratio_of_means, [first_feature(generated), first_feature(real)]


def of_gaussians(generated: Clips, real: Clips) -> tuple[Statistic, list[Clips]]:
    return frechet, [generated, real]


def of_kernels(generated: Clips, real: Clips) -> tuple[Statistic, list[Clips]]:
    table = KernelTable({"generated": generated.values, "real": real.values})
    places = {"generated": generated, "real": real}
    return table.distance, [Clips(table.places(role), clips.sources) for role, clips in places.items()]


def by_percentiles(statistic: Statistic, sets: list[Clips], resamples: int = 200) -> Interval | None:
    return percentile_interval(statistic, sets, Resampling(resamples, 0.95, 0))


def by_jackknife(statistic: Statistic, sets: list[Clips]) -> Interval | None:
    found = jackknife(statistic, sets)
    return found and found.interval(0.95)


METHODS: dict[str, tuple[Callable[..., tuple[Statistic, list[Clips]]], Callable[..., Interval | None]]] = {
    "ratio of means": (of_first_features, by_percentiles),
    "Fréchet distance": (of_gaussians, by_jackknife),
    "kernel distance": (of_kernels, by_jackknife),
}


def coverage(method: str, world: World, repeats: int, truths: int, seed: int = 0) -> float:
    """The share of `repeats` intervals that hold the mean of the statistic over `truths` other drawings."""
    prepared, interval_of = METHODS[method]
    random = np.random.default_rng(seed)
    truth = np.mean([value_of(*prepared(*world.draw(random))) for _ in range(truths)])
    held = 0
    for _ in range(repeats):
        interval = interval_of(*prepared(*world.draw(random)))
        assert interval is not None
        held += interval.low <= truth <= interval.high
    return held / repeats


def coverage_of_contrasts(world: World, baseline: float, repeats: int, truths: int) -> dict[str, float]:
    """The same of two sets' Fréchet distances beside each other, as a report has them: their difference and ratio.

    Args:
        baseline: how far the other set is from the real clips.
        repeats, truths: as of `coverage`.
    """
    random = np.random.default_rng(0)
    distances = np.array([_distances(*world.sets(random, world.apart, baseline)) for _ in range(truths)])
    truth = {
        "difference": float((distances[:, 0] - distances[:, 1]).mean()),
        "ratio": float(np.exp(np.log(distances[:, 0] / distances[:, 1]).mean())),
    }
    held = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        ours, theirs, real = world.sets(random, world.apart, baseline)
        measures = [
            Measure("x", "value", "", "lower", frechet, clips, real, interval=JACKKNIFE) for clips in (ours, theirs)
        ]
        for metric, _ in contrasts(*measures, "baseline", Resampling(2, 0.95, 0)):
            assert metric.contrast is not None
            assert metric.interval is not None
            name = metric.contrast.split()[0]
            held[name] += metric.interval.low <= truth[name] <= metric.interval.high
    return {name: count / repeats for name, count in held.items()}


def _distances(ours: Clips, theirs: Clips, real: Clips) -> list[float]:
    return [value_of(frechet, [clips, real]) for clips in (ours, theirs)]


@pytest.mark.parametrize("twins", [True, False])
def test_intervals_of_contrasts_of_24_clips_hold_the_truth(twins: bool) -> None:
    shares = coverage_of_contrasts(World(24, 6, twins), 1.0, repeats=100, truths=400)
    assert set(shares) == {"difference", "ratio"}
    assert all(0.87 <= share <= 1 for share in shares.values()), shares


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("twins", [True, False])
def test_intervals_of_24_clips_hold_the_truth(method: str, twins: bool) -> None:
    # 150 repeats: the share of 95% intervals that hold it is known to about 4 points.
    assert 0.88 <= coverage(method, World(24, 6, twins), repeats=150, truths=400) <= 1


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(("num_clips", "dimension"), [(24, 6), (98, 16), (500, 16)])
def test_95_percent_intervals_hold_the_truth_90_to_98_times_of_100(
    method: str, twins: bool, num_clips: int, dimension: int
) -> None:
    repeats = 600 if num_clips < 500 or method == "ratio of means" else 200
    share = coverage(method, World(num_clips, dimension, twins), repeats, truths=2000)
    print(f"{method:18} {'twins' if twins else 'strangers':10} {num_clips:4} clips {share:.3f} of {repeats}")
    assert 0.9 <= share <= 0.98


@pytest.mark.long
@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(
    ("num_clips", "dimension", "baselines"), [(24, 6, (0.5, 1.0)), (98, 16, (0.5, 1.0)), (500, 16, (0.5,))]
)
def test_95_percent_intervals_of_contrasts_hold_the_truth_90_to_98_times_of_100(
    twins: bool, num_clips: int, dimension: int, baselines: tuple[float, ...]
) -> None:
    repeats = 600 if num_clips < 500 else 200
    for baseline in baselines:  # as far as the other set, and twice as far
        shares = coverage_of_contrasts(World(num_clips, dimension, twins), baseline, repeats, truths=2000)
        print(f"{'twins' if twins else 'strangers':10} {num_clips:4} clips {baseline} {shares} of {repeats}")
        assert all(0.9 <= share <= 0.98 for share in shares.values())
