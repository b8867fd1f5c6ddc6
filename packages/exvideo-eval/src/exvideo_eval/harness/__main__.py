"""python -m exvideo_eval.harness SUITE: runs a suite once and prints what it finds, as JSON.

With --socket N it is one process of `exvideo-eval ab`, connected by the inherited file descriptor N.
"""

import argparse
import json
import socket
import sys
from pathlib import Path

from .suite import run_suite
from .turns import Alone, Handed


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="exvideo_eval.harness", description="Run a suite once, print its figures.")
    parser.add_argument("suite", type=Path)
    parser.add_argument("--seconds", type=float, default=0.3, help="a timing takes; default: %(default)s")
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--cpu", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.socket is None:
        print(json.dumps(run_suite(options.suite, Alone(options.seconds)), indent=1))
        return
    handed = Handed(socket.socket(fileno=options.socket), options.cpu)
    found = run_suite(options.suite, handed)
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    handed.tell({"found": found | {"modules": sorted(file for file in files if isinstance(file, str))}})


if __name__ == "__main__":
    main()
