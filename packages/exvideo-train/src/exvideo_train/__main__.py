"""`python -m exvideo_train`, and what `deepspeed --module exvideo_train` and `torchrun -m exvideo_train` start."""

import sys

from exvideo_train.cli import main

sys.exit(main())
