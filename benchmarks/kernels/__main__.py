"""python -m benchmarks.kernels [temporal_attention] [options]"""

import sys
from collections.abc import Sequence

from benchmarks.kernels import temporal_attention

MEASUREMENTS = {"temporal_attention": temporal_attention.main}


def main(arguments: Sequence[str]) -> int:
    """Runs what is named first, or all; the first exit status that is not 0."""
    names = list(MEASUREMENTS)
    if arguments and not arguments[0].startswith("-"):
        names, arguments = [arguments[0]], arguments[1:]
        if names[0] not in MEASUREMENTS:
            print(f"{names[0]!r} is no measurement of kernels: give {' or '.join(MEASUREMENTS)}.", file=sys.stderr)
            return 2
    for name in names:
        status = MEASUREMENTS[name](arguments)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
