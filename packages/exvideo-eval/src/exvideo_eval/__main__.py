"""`python -m exvideo_eval` is `exvideo-eval`."""

import sys

from exvideo_eval.cli import main

if __name__ == "__main__":
    sys.exit(main())
