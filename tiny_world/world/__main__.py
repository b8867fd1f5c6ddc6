"""python -m tiny_world.world --output DIR --clips N [--frames 40] [--seed 0] [--split train]

With [--events KIND --duration FRAMES ...] N clips with events of each duration.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tiny_world.world.clip_files import write_clips, write_event_clips
from tiny_world.world.sampler import SPLITS
from tiny_world.world.spec import EVENTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes clips; 0 if all are there, 2 if they were not to be had."""
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.world",
        description="Writes clips of the tiny world as MP4 files, each with its captions and the state of every frame "
        "in a JSON file beside it. Clips that are there already are kept: a run goes on where it was cut off.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="made if it is not there")
    parser.add_argument("--clips", type=int, required=True, metavar="N")
    parser.add_argument("--frames", type=int, default=40, metavar="T", help="a clip; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the world; default: %(default)s")
    parser.add_argument("--split", choices=SPLITS, default="train", help="default: %(default)s")
    parser.add_argument("--events", choices=tuple(EVENTS), metavar="KIND", help=f"with events: {', '.join(EVENTS)}")
    parser.add_argument(
        "--duration", type=int, nargs="+", metavar="FRAMES", help="of each event, 1 to 20; several: N clips of each"
    )
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        written = [new for _, new in _written(options)]
    except (ValueError, OSError) as error:
        print(f"tiny_world: {error}", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - started
    print(f"{options.output}: {sum(written)} clips written, {len(written) - sum(written)} kept, {seconds:.1f} s")
    return 0


def _written(options: argparse.Namespace) -> Iterator[tuple[Path, bool]]:
    asked = options.output, options.clips, options.frames, options.seed, options.split
    if (options.events is None) != (options.duration is None):
        raise ValueError("One of --events and --duration is given without the other: give both, or none.")
    if options.events is None:
        yield from write_clips(*asked)
    for duration in options.duration or ():
        yield from write_event_clips(*asked, options.events, duration)


if __name__ == "__main__":
    sys.exit(main())
