"""Clips of every method in a regime, made and judged by the truth: python -m benchmarks.quality"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.quality.protocol import HEADLINE, QUICK, REGIMES, SPLITS, NotFrozenError, Size, check_frozen
from benchmarks.quality.setting import Setting

OUTPUT = Path("out/quality")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the clips that are missing; 0 when all are there, 2 if they are not to be had."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)  # as networks this small gain little from more
    try:
        check_frozen(options.split, options.open_test)
        _run(Setting(options.output, options.split, options.regime, _size(options)), options.methods)
    except (NotFrozenError, ValueError) as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return 2
    return 0


def _run(setting: Setting, names: Sequence[str] | None) -> None:
    left_out = setting.left_out()
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}.", flush=True)
    began = time.process_time()
    for row in setting.make([name for name in names or setting.methods() if name not in left_out]):
        print(f"{row.method}, seed {row.seed}: {time.process_time() - began:.0f} s of a processor in all", flush=True)


def _size(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else HEADLINE
    size = size if options.clips is None else replace(size, clips=options.clips)
    return size if options.seeds is None else replace(size, seeds=tuple(options.seeds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--split", choices=SPLITS, default="validate", help="default: %(default)s")
    parser.add_argument("--open-test", action="store_true", help="with --split test: it is judged once")
    parser.add_argument("--regime", choices=REGIMES, default="several-rates", help="default: %(default)s")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="of these alone; default: all that can be run")
    parser.add_argument("--clips", type=int, metavar="N", help=f"default: {HEADLINE.clips}")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="S", help="of the noise; default: 0 to 4")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.clips} clips and {len(QUICK.seeds)} seeds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
