"""python -m benchmarks.unet"""

import sys

from benchmarks.unet.forward import main

if __name__ == "__main__":
    sys.exit(main())
