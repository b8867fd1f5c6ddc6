"""`python -m exvideo_eval`: the same as `exvideo-eval`."""

import sys

from exvideo_eval.cli import main

sys.exit(main())
