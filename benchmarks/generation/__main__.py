"""python -m benchmarks.generation"""

import sys

from benchmarks.generation.sample import main

sys.exit(main())
