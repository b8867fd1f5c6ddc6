"""python -m tiny_world.world --output DIR --clips N [--frames 40] [--seed 0] [--split train]"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tiny_world.world.clip_files import write_clips
from tiny_world.world.sampler import SPLITS


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
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        clips = write_clips(options.output, options.clips, options.frames, options.seed, options.split)
        written = sum(new for _, new in clips)
    except (ValueError, OSError) as error:
        print(f"tiny_world: {error}", file=sys.stderr)
        return 2
    kept = options.clips - written
    print(f"{options.output}: {written} clips written, {kept} kept, {time.perf_counter() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
