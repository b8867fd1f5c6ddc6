"""python -m tiny_world.truth --real DIR --set NAME=DIR [--set NAME=DIR ...] --output DIR [--events [--stride K]]"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tiny_world.truth.event_figures import measure_events, read_event_truth
from tiny_world.truth.event_report import write_event_report
from tiny_world.truth.measured_set import measure, read_truth
from tiny_world.truth.report import file_name, write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the report; 0 if all is there, 2 (and one sentence on stderr) if it cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.truth",
        description="Judges sets of clips by the truth of the tiny world: each generated from the first frame and the "
        "caption of the real clip that has its name.",
    )
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="clips with their truth beside them")
    parser.add_argument(
        "--set",
        dest="sets",
        type=_named_folder,
        action="append",
        required=True,
        metavar="NAME=DIR",
        help="generated clips of the same file names; the first set given is the one that others are compared with",
    )
    parser.add_argument("--output", type=Path, default=Path("out/truth"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--events", action="store_true", help="clips with events: their errors against the duration of events instead"
    )
    parser.add_argument("--stride", type=int, metavar="K", help="a line in the picture of events, at that many frames")
    options = parser.parse_args(arguments)
    try:
        names = [name for name, _ in options.sets]
        if len({*map(file_name, names), file_name("real")}) <= len(names):
            raise ValueError(f'The sets are named {", ".join(names)}: give each a name of its own, and none "real".')
        paths = (_write_events if options.events else _write_truth)(options)
    except (ValueError, OSError) as error:
        print(f"truth_report: {error}", file=sys.stderr)
        return 2
    print(f"Report: {', '.join(map(str, paths))}")
    return 0


def _write_truth(options: argparse.Namespace) -> tuple[Path, ...]:
    real = read_truth(options.real)
    sets = [measure(name, folder, real) for name, folder in options.sets]
    return write_report(options.output, measure("real", options.real, real), sets)


def _write_events(options: argparse.Namespace) -> tuple[Path, ...]:
    real = read_event_truth(options.real)
    sets = [measure_events(name, folder, real) for name, folder in options.sets]
    return write_event_report(options.output, measure_events("real", options.real, real), sets, options.stride)


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not re.fullmatch(r"[\w-]+( [\w-]+)*", name) or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR with a name of words, such as base=out/base")
    return name, Path(folder)


if __name__ == "__main__":
    sys.exit(main())
