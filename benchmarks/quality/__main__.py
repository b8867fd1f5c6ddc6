"""Clips of every method in a regime, made and judged by the truth: python -m benchmarks.quality"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.quality import sheet
from benchmarks.quality.figures import Findings
from benchmarks.quality.page import keep, read
from benchmarks.quality.protocol import (
    ABLATION,
    HEADLINE,
    QUICK,
    QUICK_REGIME,
    REGIMES,
    SPLITS,
    Regime,
    Size,
    check_frozen,
)
from benchmarks.quality.setting import Setting
from benchmarks.quality.tables import TABLES
from benchmarks.quality.trained import GROUPS, rows_of, table

OUTPUT, REGIME = Path("out/quality"), "several-rates"
TOLD = ("protocol", "primary", "costs", "verdict")
BESIDE = ("direct", "rife", "rife-eight", "rife-equal", "chain")  # rows that are trained here are made beside these


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the clips that are missing, and judges them; 0 when that is done, 2 if it cannot be."""
    options = _parser().parse_args(arguments)
    if options.list:
        print(table())
        return 0
    torch.set_num_threads(1)  # as networks this small gain little from more
    try:
        setting = _setting(options)
        check_frozen(options.split, setting.regime, options.open_test, setting.size.clips)
        figures = options.figures or options.output / "figures.json"
        if figures.exists():
            read(figures)  # before hours are spent on what could not be kept there
        if not options.judge:
            _make(setting, _names(setting, options.methods))
        _judge(setting, figures, options.replace)
    except (ValueError, OSError) as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return 2
    return 0


def _setting(options: argparse.Namespace) -> Setting:
    regime = options.regime or (QUICK_REGIME if options.quick else REGIME)
    of = REGIMES[regime]
    rows = {name: row for group in options.rows or () for name, row in rows_of(group).items()}
    trained = {
        name: row for name, row in rows.items() if row.is_for(of.num_frames) and (of.durations or not row.with_events)
    }
    return Setting(options.output, options.split, regime, _size(options, of), trained, options.base)


def _names(setting: Setting, asked: Sequence[str] | None) -> list[str]:
    """The methods to make: those asked for, or those that are trained and what they are compared with, or all."""
    unknown = sorted({*(asked or ())} - {*setting.names})
    if unknown:
        raise ValueError(f"methods have {unknown[0]!r}: choose from {', '.join(setting.names)}.")
    return list(asked or ((*BESIDE, *setting.trained) if setting.trained else setting.names))


def _make(setting: Setting, names: Sequence[str]) -> None:
    left_out = setting.left_out()
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}.", flush=True)
    began = time.process_time()
    for row in setting.make([name for name in names if name not in left_out]):
        print(f"{row.method}, seed {row.seed}: {time.process_time() - began:.0f} s of a processor in all", flush=True)


def _judge(setting: Setting, figures: Path, replace: bool) -> None:
    found = Findings.of(setting).as_json()
    keep(setting.name, found, figures, replace)
    picture = figures.parent / f"{setting.name.replace('/', '_')}.png"
    sheet.draw(picture, setting)
    for name in TOLD:
        print(f"\n{TABLES[name](found)}")
    print(f"\n{figures}, {picture}", flush=True)


def _size(options: argparse.Namespace, regime: Regime) -> Size:
    size = QUICK if options.quick else ABLATION if options.rows and "headline" not in options.rows else HEADLINE
    size = size.shared(regime) if options.clips is None else replace(size, clips=options.clips)
    return size if options.seeds is None else replace(size, seeds=tuple(options.seeds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--split", choices=SPLITS, default="validate", help="default: %(default)s")
    parser.add_argument("--open-test", action="store_true", help="with --split test: it is judged once")
    parser.add_argument("--regime", choices=REGIMES, help=f"default: {REGIME}, with --quick {QUICK_REGIME}")
    parser.add_argument("--base", metavar="DIR", help="of the regime one-rate: python -m tiny_world.system.one_rate")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="of these alone; default: all that can be run")
    parser.add_argument("--rows", nargs="+", metavar="GROUP", help=f"trained here: {', '.join(GROUPS)}, or others")
    parser.add_argument("--list", action="store_true", help="the rows that are trained here, and what each costs")
    parser.add_argument("--clips", type=int, metavar="N", help=f"default: {HEADLINE.clips}")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="S", help="of the noise; default: 0 to 4")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.clips} clips and {len(QUICK.seeds)} seeds")
    parser.add_argument("--judge", action="store_true", help="what is there; nothing is made")
    parser.add_argument("--replace", action="store_true", help="figures of the setting that are there may go")
    parser.add_argument("--figures", type=Path, metavar="JSON", help="default: figures.json in the output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
