"""python -m demo [--videos DIR] [--steps N] [--output out/demo]"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.environment import set_environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 if every stage really ran, 2 if the input is of no use, 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="The whole of ExVideo in minutes.")
    parser.add_argument(
        "--videos", type=Path, metavar="DIR", help="folder of your own videos; default: none, the clips are rendered"
    )
    parser.add_argument(
        "--steps", type=_steps, metavar="N", help="of the post-tuning; default: what the recipe has and time allows"
    )
    parser.add_argument("--output", type=Path, default=Path("out/demo"), metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(arguments)
    set_environment()

    from demo.run import run_demo
    from tiny_world.programs import ProgramError

    try:
        print(run_demo(options.videos, options.output, options.steps))
    except ValueError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except ProgramError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of steps: give a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
