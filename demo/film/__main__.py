"""python -m demo.film CLIPS --output FOLDER, CLIPS being what `exvideo-prepare --cut --size 64 112` has written."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.environment import set_environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains from where its runs end; 0 when that is done, 2 if the clips are of no use."""
    parser = argparse.ArgumentParser(prog="python -m demo.film", description="A base of 8 frames, trained on films.")
    parser.add_argument("clips", type=Path, help="folder that exvideo-prepare --cut --size 64 112 has written")
    parser.add_argument("--output", type=Path, default=Path("out/film"), metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(arguments)
    set_environment()

    from demo.film.run import train_base

    try:
        print(train_base(options.clips, options.output))
    except ValueError as error:
        print(f"demo.film: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
