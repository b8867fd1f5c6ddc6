"""python -m demo.film CLIPS --output FOLDER, CLIPS being what `exvideo-prepare --cut --size 64 64` has written."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.environment import set_environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the stages that are not done yet; 0 if every one was, 2 if the clips are of no use, 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m demo.film", description="A base of a film, and its extension.")
    parser.add_argument("clips", type=Path, help="folder that exvideo-prepare --cut --size 64 64 has written")
    parser.add_argument("--output", type=Path, default=Path("out/film"), metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(arguments)
    set_environment()

    from demo.film.run import run_film
    from tiny_world.programs import ProgramError

    try:
        run_film(options.clips, options.output)
    except (ValueError, ProgramError) as error:
        print(f"demo.film: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
