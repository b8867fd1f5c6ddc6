"""`python -m exvideo_infer` is `exvideo-generate`."""

import sys

from exvideo_infer.cli import main

if __name__ == "__main__":
    sys.exit(main())
