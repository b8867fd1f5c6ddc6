"""python -m benchmarks.faults: judges each fault of real footage, and puts the table into docs/which-measure.md.

An hour on one slow core; what was measured of a clip is kept in --folder, so that it goes on where it was.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.conditions import ConditionsError
from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.footage import pairs
from benchmarks.faults.reaction import reactions, write_sound
from benchmarks.faults.table import GUIDE, Table, as_markdown, put_into_guide, table_of


def measured(folder: Path, workers: int = 1) -> Table:
    """The table, by way of clips in a folder.

    Raises:
        ConditionsError: the footage is not installed.
        ValueError: a package that has a measure's network is not installed.
    """
    footage = list(pairs())
    write_sound(folder, footage)
    found = {}
    for name, fault in FAULTS.items():
        print(name, file=sys.stderr, flush=True)
        found[name] = reactions(folder, name, fault, footage, workers)
    return table_of(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/faults"), help="of clips; default: %(default)s")
    parser.add_argument("--guide", type=Path, default=GUIDE, help="file that has the table; default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="clips measured at a time; default: %(default)s")
    options = parser.parse_args()
    try:
        table = measured(options.folder, options.workers)
    except (ConditionsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    put_into_guide(table, options.guide)
    print(as_markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
