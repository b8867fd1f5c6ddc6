"""The command line that all benchmarks share: one result file in a folder, one table on the terminal."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from exvideo_eval import Metric, Result

from benchmarks.conditions import DTYPES, Conditions, ConditionsError

OUTPUT = Path("out/bench")


def run(
    measure: Callable[[Conditions], Result],
    file_name: str,
    *,
    rounds: int,
    arguments: Sequence[str] | None = None,
    draw: Callable[[Result, Path], None] | None = None,
    more: tuple[Callable[[argparse.ArgumentParser], None], Callable[[Conditions, argparse.Namespace], Result]]
    | None = None,
) -> int:
    """Parses the command line, measures, writes OUTPUT/<file_name>.json and prints its table; the exit status.

    Args:
        measure: the benchmark.
        file_name: of the result, without ".json".
        rounds: by default.
        arguments: of the command line; those of this process if None.
        draw: makes a picture of the result, OUTPUT/<file_name>.png.
        more: adds options of the benchmark's own; and the benchmark as these say.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {measure.__module__.rpartition('.')[0]}",
        description=(sys.modules[measure.__module__].__doc__ or "").partition("\n")[0],
    )
    add_options(parser)
    if more is not None:
        more[0](parser)
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        conditions = conditions_of(options, rounds)
        conditions.apply()
        result = measure(conditions) if more is None else more[1](conditions, options)
    except ConditionsError as error:
        print(error, file=sys.stderr)
        return 2
    path = options.output / f"{file_name}.json"
    result.save(path)
    if draw is not None:
        draw(result, path.with_suffix(".png"))
    print(f"{as_table(result)}\n{path}, {time.perf_counter() - started:.0f} s\n", flush=True)
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every benchmark, and of all of them together."""
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the result; default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    parser.add_argument("--dtype", choices=tuple(DTYPES), help="default: fp32 on a CPU, bf16 on a GPU")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU; default: %(default)s")
    parser.add_argument("--rounds", type=int, help="how often each contender is timed; default: the benchmark's own")


def conditions_of(options: argparse.Namespace, rounds: int) -> Conditions:
    """The conditions that the options ask for.

    Raises:
        ConditionsError: there is no such device, or a number is not positive.
    """
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConditionsError("--device is cuda, but PyTorch finds none here: leave it out, or give cpu.")
    chosen = rounds if options.rounds is None else options.rounds
    for name, value in (("--threads", options.threads), ("--rounds", chosen)):
        if value < 1:
            raise ConditionsError(f"{name} is {value}: give at least 1.")
    return Conditions(device, options.dtype or ("bf16" if device == "cuda" else "fp32"), options.threads, chosen)


def as_table(result: Result) -> str:
    """The metrics of a result under its title, one a line, with their intervals."""
    return "\n".join([_title(result), *_lines(result.metrics), *(f"  {note}" for note in result.notes)])


def as_ratios(result: Result) -> str:
    """The same, of its ratios alone."""
    return "\n".join([_title(result), *_lines([metric for metric in result.metrics if metric.unit == "x"])])


def _title(result: Result) -> str:
    protocol = result.protocol
    under = f"{protocol['device']}, {protocol['dtype']}, {protocol['threads']} thread(s), {protocol['rounds']} rounds"
    return f"{result.kind}: {result.name} ({under})"


def _lines(metrics: Sequence[Metric]) -> list[str]:
    width = max(len(metric.name) for metric in metrics)
    return [f"  {metric.name:<{width}}  {_number(metric)}" for metric in metrics]


def _number(metric: Metric) -> str:
    text = f"{metric.value:9.4g} {metric.unit:<4}"
    if metric.interval is None:
        return text.rstrip()
    return f"{text} [{metric.interval.low:.4g}, {metric.interval.high:.4g}]"
