"""python -m benchmarks.training"""

import sys

from benchmarks.training import loader, step, stretch

if __name__ == "__main__":
    sys.exit(step.main() or stretch.main() or loader.main())
