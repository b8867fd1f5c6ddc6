"""`exvideo-train --config x.yaml`."""

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0 done, 1 diverged, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="exvideo-train",
        description="Post-tune an extended video diffusion model on long clips. Run the same command again to resume.",
    )
    parser.add_argument("--config", required=True, help="YAML file; configs/quickstart.yaml comments every key")
    # The deepspeed launcher adds this to every process; the environment says the same.
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)

    from exvideo_train.config import load_config
    from exvideo_train.errors import TrainingDivergedError, UserError

    try:
        config = load_config(options.config)
        from exvideo_infer import BaseModelError, silence_loading

        from exvideo_train.loop import train
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    silence_loading()
    try:
        path = train(config)
    except (UserError, BaseModelError) as error:
        print(error, file=sys.stderr)
        return 2
    except TrainingDivergedError as error:
        print(error, file=sys.stderr)
        return 1
    if os.environ["RANK"] == "0":
        print(f"Wrote {path}")
    return 0
