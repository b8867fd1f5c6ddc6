"""python -m benchmarks.training"""

import sys

from benchmarks.training.step import main

if __name__ == "__main__":
    sys.exit(main())
