"""python -m benchmarks.training"""

import sys

from benchmarks.training.step import main

sys.exit(main())
