"""python -m benchmarks.kernels"""

import sys

from benchmarks.kernels.temporal_attention import main

sys.exit(main())
