"""From seconds to metrics: medians of times and of each round's ratios, and how far both move with other rounds."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
from exvideo_eval import Interval, Metric

from benchmarks.stopwatch import Times

LEVEL = 0.95
RESAMPLES = 2000
FEWEST_ROUNDS = 5  # below it, resampling says too little of how far a median moves
METHOD = f"bootstrap over rounds, {RESAMPLES} resamples, percentiles"
SECONDS_IN = {"s": 1.0, "ms": 1e-3}

Seconds = dict[str, float]  # of each contender in one round


def timing_metrics(times: Times, peers: Collection[str], *, unit: str, what: str = "") -> tuple[Metric, ...]:
    """Median time of each contender, and the ratio of each of ours to each peer.

    Only what is ours is better or worse: a peer's own time is there to be read. A ratio is the median of the
    rounds' own, so that what slowed a round down for both cancels; its interval draws whole rounds again.

    Args:
        times: seconds of each contender, as many of each.
        peers: which of them are not ours.
        unit: "s" or "ms".
        what: put before each metric's name, where a result has several contests.
    """
    prefix = f"{what}: " if what else ""
    ours = [name for name in times if name not in peers]
    metrics = [
        median_metric(times, _time_of(name, unit), prefix + name, unit, "lower" if name in ours else "neutral")
        for name in times
    ]
    metrics += [
        median_metric(times, _ratio(name, peer), f"{prefix}{name} / {peer}", "x", "lower")
        for name in ours
        for peer in times
        if peer in peers
    ]
    return tuple(metrics)


def median_metric(times: Times, figure: Callable[[Seconds], float], name: str, unit: str, better: str) -> Metric:
    """The median over rounds of a figure that is computed from the contenders' seconds of one round, with its interval
    where there are rounds enough for one: what slows a round down for all cancels in a ratio of the round's own."""
    rounds = len(next(iter(times.values())))
    of_rounds = np.array([figure({name: float(times[name][turn]) for name in times}) for turn in range(rounds)])
    value = float(np.median(of_rounds))
    if rounds < FEWEST_ROUNDS:
        return Metric(name, value, unit, better, n=rounds)
    drawn = np.random.Generator(np.random.PCG64(0)).integers(rounds, size=(RESAMPLES, rounds))
    draws = np.median(of_rounds[drawn], axis=1)
    low, high = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Metric(name, value, unit, better, n=rounds, interval=Interval(float(low), float(high), LEVEL, METHOD))


def memory_metrics(peaks: Mapping[str, int | None], peers: Collection[str], *, what: str = "") -> tuple[Metric, ...]:
    """Peak memory of each contender in MiB; none of those that were not measured."""
    prefix = f"{what}: " if what else ""
    return tuple(
        Metric(f"{prefix}{name}, peak memory", peak / 2**20, "MiB", "neutral" if name in peers else "lower")
        for name, peak in peaks.items()
        if peak is not None
    )


def _time_of(name: str, unit: str) -> Callable[[Seconds], float]:
    return lambda seconds: seconds[name] / SECONDS_IN[unit]


def _ratio(ours: str, peer: str) -> Callable[[Seconds], float]:
    return lambda seconds: seconds[ours] / seconds[peer]
