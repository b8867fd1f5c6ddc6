"""Temporal attention, forward and backward: ours on token-major activations, its peers, and the floor.

python -m benchmarks.kernels temporal_attention [--frames 25 128]

Beside its result it writes attention_table.json, by which the backend `auto` chooses where EXVIDEO_ATTENTION_TABLE
names it.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from exvideo_blocks.kernels.choose import TABLE_FORMAT, device_class
from exvideo_eval import Curve, Metric, Result

from benchmarks.agreement import agree
from benchmarks.command_line import run
from benchmarks.conditions import DTYPES, Conditions, ConditionsError
from benchmarks.kernels.ceilings import Ceilings
from benchmarks.kernels.contenders import (
    OURS,
    WHAT_THEY_ARE,
    WORK,
    XFORMERS,
    Case,
    Program,
    programs,
    runnable,
    token_major,
)
from benchmarks.kernels.plot import draw
from benchmarks.medians import Seconds, median_metric, memory_metrics, timing_metrics
from benchmarks.stopwatch import Contender, Times, alternate, kernel_clock, peak_bytes

LENGTHS = (8, 16, 25, 40, 64, 128, 256, 512)
# Channels, heads and positions of the three levels of SVD's UNet at 512x512.
LEVELS = ((320, 5, 4096), (640, 10, 1024), (1280, 20, 256))

# On a CPU about as many tokens at each length, so that every case moves the same bytes, more than a cache holds.
# The batch of two is what guidance makes of one clip.
CASES = {
    "cpu": (Case(8, 2048), Case(25, 655), Case(40, 410), Case(128, 128), Case(40, 205, batch=2)),
    "cuda": (*(Case(t, s, channels=c, num_heads=h) for c, h, s in LEVELS for t in LENGTHS), Case(40, 4096, batch=2)),
}
FLOOR = "max(a copy of the same bytes, FLOPs / matmul rate), both timed in the rounds of the kernel"
BACKENDS = {"triton": OURS, "sdpa": token_major("default"), "xformers": XFORMERS}  # of the operator, by name


def measure(conditions: Conditions, cases: Sequence[Case] | None = None) -> Result:
    """Times every case in both directions; the sizes are the device's own if none are given."""
    cases = CASES[conditions.device] if cases is None else cases
    limits = Ceilings(conditions.torch_device, conditions.torch_dtype)
    metrics: list[Metric] = []
    absences: dict[str, dict[str, str]] = {}
    for case in cases:
        measured, absent = _measure_case(conditions, case, limits)
        metrics += measured
        for name, why in absent.items():
            absences.setdefault(name, {})[case.title] = why
    protocol = {
        "cases": [asdict(case) for case in cases],
        "contenders": WHAT_THEY_ARE,
        "floor": FLOOR,
        "work": {name: list(work) for name, work in WORK.items()},
        "matmul_flops": limits.flops,
        "clock": "events, host hidden, cache emptied before each call" if conditions.device == "cuda" else "wall clock",
        "device_class": device_class(conditions.torch_device) if conditions.device == "cuda" else "cpu",
        "inputs": "standard normal, seed 0, drawn on the device",
    }
    return Result.measured_here(
        kind="kernel",
        name="temporal attention",
        protocol=conditions.protocol() | protocol,
        metrics=tuple(metrics),
        curves=over_floor(metrics, cases),
        notes=tuple(left_out(absences, len(cases))),
    )


def left_out(absences: Mapping[str, Mapping[str, str]], cases: int) -> list[str]:
    """A line a contender that could not run: at which sizes, and why at the first of them."""
    return [
        f"{name} left out at {'every size' if len(whys) == cases else ', '.join(whys)}: {next(iter(whys.values()))}"
        for name, whys in absences.items()
    ]


def over_floor(metrics: Sequence[Metric], cases: Sequence[Case]) -> tuple[Curve, ...]:
    """Time over floor against frames: a curve for each direction and number of channels, and each contender."""
    values = {metric.name: metric.value for metric in metrics}
    points: dict[tuple[str, str], dict[int, float]] = {}
    for direction in WORK:
        for case in cases:
            what = f"{direction} {case.title}"
            for name, value in values.items():
                contender = name.removeprefix(f"{what}: ")
                if case.batch > 1 or contender == name or contender == "floor" or not _is_time(contender):
                    continue
                curve = f"{direction}, C={case.channels}: time over floor", contender
                points.setdefault(curve, {})[case.num_frames] = value / values[f"{what}: floor"]
    curves = []
    for (name, series), line in points.items():
        x = tuple(sorted(line))
        better = "lower" if series == OURS else "neutral"
        curves.append(Curve(name, "x", "frames", x, tuple(line[frames] for frames in x), better, series))
    return tuple(curves)


def _is_time(name: str) -> bool:
    return " / " not in name and not name.endswith(", peak memory")


def _measure_case(conditions: Conditions, case: Case, limits: Ceilings) -> tuple[list[Metric], dict[str, str]]:
    by_name, absent = runnable(programs(case, conditions.torch_device, conditions.torch_dtype))
    agree({name: program.as_tokens(program.forward()) for name, program in by_name.items()})
    agree({name: program.as_tokens(program.prepare_backward()()[0]) for name, program in by_name.items()})
    metrics = _measure_direction(
        conditions, case, limits, "forward", {name: program.forward for name, program in by_name.items()}
    )
    return metrics + _measure_backward(conditions, case, limits, by_name), absent


def _measure_backward(
    conditions: Conditions, case: Case, limits: Ceilings, by_name: dict[str, Program]
) -> list[Metric]:
    prepared = {name: program.prepare_backward() for name, program in by_name.items()}
    return _measure_direction(conditions, case, limits, "backward", prepared)


def _measure_direction(
    conditions: Conditions, case: Case, limits: Ceilings, direction: str, contenders: dict[str, Contender]
) -> list[Metric]:
    what = f"{direction} {case.title}"
    peers = [name for name in contenders if name != OURS]
    moved_bytes, flops = case.work(direction, conditions.torch_dtype.itemsize)
    times: Times = alternate(
        contenders | limits.contenders(moved_bytes),
        kernel_clock(conditions.torch_device),
        rounds=conditions.rounds,
        warmup=conditions.warmup,
    )

    def floor(seconds: Seconds) -> float:
        return limits.floor(seconds, flops)

    return [
        *timing_metrics({name: times[name] for name in contenders}, peers, unit="ms", what=what),
        median_metric(times, lambda seconds: floor(seconds) * 1e3, f"{what}: floor", "ms", "neutral"),
        median_metric(times, lambda s: floor(s) / s[OURS], f"{what}: floor / {OURS}", "x", "higher"),
        *memory_metrics(
            {name: peak_bytes(call, conditions.torch_device) for name, call in contenders.items()}, peers, what=what
        ),
    ]


def table(result: Result) -> dict[str, Any]:
    """The medians of the backends that a user can choose, as `exvideo_blocks.kernels.choose` reads them.

    "training" is forward and backward.
    """
    values = {metric.name: metric.value for metric in result.metrics}
    rows = []
    for case in (Case(**given) for given in result.protocol["cases"]):
        times = {
            backend: [values.get(f"{direction} {case.title}: {name}") for direction in ("forward", "backward")]
            for backend, name in BACKENDS.items()
        }
        measured = {backend: (one, other) for backend, (one, other) in times.items() if one and other}
        shape = {
            "device": result.protocol["device_class"],
            "dtype": str(DTYPES[result.protocol["dtype"]]).removeprefix("torch."),
            "head_dim": case.channels // case.num_heads,
            "frames": case.num_frames,
        }
        forward = {backend: one for backend, (one, _) in measured.items()}
        training = {backend: one + other for backend, (one, other) in measured.items()}
        rows.append(shape | {"direction": "forward", "milliseconds": forward})
        rows.append(shape | {"direction": "training", "milliseconds": training})
    return {"format": TABLE_FORMAT, "rows": rows}


def write_beside(result: Result, picture: Path) -> None:
    """The picture, and the table as attention_table.json in its folder, each to a temporary name first."""
    draw(result, picture)
    path = picture.with_name("attention_table.json")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(table(result), indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def add_frames(parser: argparse.ArgumentParser) -> None:
    """The option for some lengths alone."""
    parser.add_argument("--frames", type=int, nargs="+", metavar="T", help="lengths to measure; default: all")


def of_lengths(cases: Sequence[Case], lengths: Sequence[int] | None) -> list[Case]:
    """The cases of these lengths: those that are there, or the last one of a batch of one at each length.

    Raises:
        ConditionsError: a length is not positive.
    """
    if lengths is None:
        return list(cases)
    if min(lengths) < 1:
        raise ConditionsError(f"--frames has {min(lengths)}: give lengths of at least 1.")
    found = []
    for frames in lengths:
        widths = {(case.channels, case.num_heads): case for case in cases if case.batch == 1}.values()
        found += [replace(case, num_frames=frames) for case in widths]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    def chosen(conditions: Conditions, options: argparse.Namespace) -> Result:
        return measure(conditions, of_lengths(CASES[conditions.device], options.frames))

    more = add_frames, chosen
    return run(measure, "temporal_attention", rounds=15, arguments=arguments, draw=write_beside, more=more)
