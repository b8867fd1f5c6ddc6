"""Compare two benchmark results, or two folders of them, of the schema exvideo.result/1.

    python benchmarks/compare.py BEFORE AFTER [--threshold 0.05] [--fail-on-regression]

A thin door: the comparison itself is `exvideo_eval.compare`.
"""

import sys

from exvideo_eval.compare import main

if __name__ == "__main__":
    sys.exit(main())
