"""`python -m exvideo_train.prepare` is `exvideo-prepare`."""

import sys

from exvideo_train.prepare.cli import main

if __name__ == "__main__":
    sys.exit(main())
