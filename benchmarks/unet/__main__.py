"""python -m benchmarks.unet"""

import sys

from benchmarks.unet.forward import main

sys.exit(main())
