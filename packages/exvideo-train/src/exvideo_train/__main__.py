"""`python -m exvideo_train` is `exvideo-train`; `deepspeed --module` and `torchrun -m` start it in every process."""

import sys

from exvideo_train.cli import main

if __name__ == "__main__":
    sys.exit(main())
