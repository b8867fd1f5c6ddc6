"""python -m demo [--videos DIR] [--output out/demo]"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 if every stage really ran, 2 if the input is of no use, 1 if a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="The whole of ExVideo in minutes.")
    parser.add_argument(
        "--videos", type=Path, metavar="DIR", help="folder of your own videos; default: none, the clips are rendered"
    )
    parser.add_argument("--output", type=Path, default=Path("out/demo"), metavar="DIR", help="default: %(default)s")
    options = parser.parse_args(arguments)
    for library in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):  # read when they are imported
        os.environ.setdefault(library, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # By default OpenMP's threads wait for each other in a busy loop, for milliseconds: where another program has one of
    # the two cores, that makes small operations ten times slower. Read when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

    from demo.run import run_demo
    from tiny_world.programs import ProgramError

    try:
        print(run_demo(options.videos, options.output))
    except ValueError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except ProgramError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
