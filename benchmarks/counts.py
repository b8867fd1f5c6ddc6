"""Exact counts of each contender, beside its time: the same at every run, whatever else the machine does."""

from collections.abc import Collection, Mapping

from exvideo_eval import Metric
from exvideo_eval.harness.counters import counted

from benchmarks.stopwatch import Contender

LIVE = "live tensors at the peak"


def count_metrics(contenders: Mapping[str, Contender], peers: Collection[str]) -> tuple[Metric, ...]:
    """FLOPs, operators, bytes saved for backward and the most bytes of tensors alive, each contender called once.

    Only what is ours is better or worse. What a kernel of Triton computes inside is one operator, and no FLOPs;
    for its own memory see `exvideo_eval.harness.counters.counted`. A step of training must have been warmed up: its
    first call makes the optimizer's states.

    Args:
        contenders: calls without arguments.
        peers: which of them are not ours.
    """
    return tuple(
        Metric(f"{name}, {what}", value, unit, "neutral" if name in peers else "lower")
        for name, contender in contenders.items()
        for what, value, unit in _figures(contender)
    )


def _figures(contender: Contender) -> tuple[tuple[str, int, str], ...]:
    with counted() as counts:
        contender()
    return (
        ("work", counts.flops, "FLOPs"),
        ("operators", counts.operators, "operators"),
        ("saved for backward", counts.saved_bytes, "bytes"),
        (LIVE, counts.peak_bytes, "bytes"),
    )
