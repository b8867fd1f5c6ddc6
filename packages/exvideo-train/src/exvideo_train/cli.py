"""`exvideo-train --config x.yaml`."""

import argparse
import os
import shlex
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from exvideo_infer import outliving_readers

if TYPE_CHECKING:
    from exvideo_train.config import TrainConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0 done, 1 failed, 2 bad input, 75 or 130 stopped."""
    options = _parser().parse_args(arguments)
    with outliving_readers() as told:
        status = _main(options)
    if told.lost and (options.print_schema or options.print_config or options.dry_run):
        print(f"Not all could be printed ({told.lost.strerror}): make room, or print it elsewhere.", file=sys.stderr)
        return 2
    return status


def _main(options: argparse.Namespace) -> int:
    from exvideo_train.config import load_config, parse_changes, schema
    from exvideo_train.errors import OtherProcessError, UserError, exit_status

    try:
        if options.print_schema:
            print(schema())
            return 0
        if options.config is None:
            raise UserError("--config is missing: give a YAML file, such as configs/quickstart.yaml.")
        config = load_config(options.config, options.change, options.settings)
        if options.print_config:
            from exvideo_train.config.described import described

            print(described(config, options.config, options.change, options.settings), end="")
            return 0
        if options.sync:
            return _sync(config)
        if options.dry_run:
            return _dry_run(config, options)
        from exvideo_infer import BaseModelError, silence_loading

        from exvideo_train.errors import OutputError, TrainingDivergedError, TrainingStoppedError
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    silence_loading()
    try:
        told = _act(config, options, parse_changes(options.change))
    except KeyboardInterrupt:
        print("Stopped at once: what was done since the last checkpoint is done again.", file=sys.stderr)
        return 130
    except OtherProcessError as error:
        if not error.told:
            print(error, file=sys.stderr)
        return error.status
    except BaseModelError as error:
        print(error, file=sys.stderr)
        return 2
    except TrainingDivergedError as error:
        command = shlex.join(["exvideo-train", "--config", options.config, *options.settings])
        print(error, error.commands(command), sep="\n", file=sys.stderr)
        return 1
    except (UserError, OutputError, TrainingStoppedError) as error:
        print(error, file=sys.stderr)
        return exit_status(error)
    if os.environ["RANK"] == "0":
        print(told)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exvideo-train",
        description="Post-tune an extended video diffusion model on long clips. Run the same command again to resume.",
    )
    parser.add_argument("--config", help="YAML file; configs/quickstart.yaml comments every key")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="as if the file had it, such as optimizer.steps=100 'data.size=[256, 256]'",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="train nothing; print every setting, and the place it comes from"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing; tell data, parameters, memory, disk and time of the run; exit status 3 if it does not fit",
    )
    parser.add_argument("--probe", action="store_true", help="with --dry-run: make three steps, and measure them")
    parser.add_argument("--json", action="store_true", help="with --dry-run: as JSON")
    parser.add_argument("--processes", type=int, help="with --dry-run: of the run; by default those that are started")
    parser.add_argument("--memory-gib", type=float, help="with --dry-run: of each device; by default what is here")
    parser.add_argument("--print-schema", action="store_true", help="print the JSON schema of the file, for editors")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="go on with another value than the file has, such as optimizer.learning_rate=1e-6; may be given again",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--encode-only", action="store_true", help="train nothing; encode the clips into the cache")
    instead.add_argument(
        "--prune", action="store_true", help="train nothing; remove from the cache what these clips do not use"
    )
    instead.add_argument(
        "--show",
        type=_positive,
        default=0,
        metavar="N",
        help="as --encode-only; and draw N clips as the network will see them, decoded, beside their files",
    )
    parser.add_argument(
        "--sync", action="store_true", help="train nothing; send figures and files that MLflow did not get in time"
    )
    # The deepspeed launcher adds this to every process; the environment says the same.
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    return parser


def _dry_run(config: "TrainConfig", options: argparse.Namespace) -> int:
    from exvideo_infer import BaseModelError, silence_loading

    from exvideo_train.errors import UserError
    from exvideo_train.plan import Question, dry_run

    silence_loading()
    memory = None if options.memory_gib is None else int(options.memory_gib * 2**30)
    try:
        return dry_run(config, Question(options.processes, memory, options.probe), options.json)
    except BaseModelError as error:
        raise UserError(str(error)) from error


def _act(config: "TrainConfig", options: argparse.Namespace, changes: Collection[str]) -> str:
    """Trains, or does what is to be done in its place; what was done, in a sentence."""
    if options.encode_only or options.prune or options.show:
        from exvideo_train.encoding import encode_only, prune_cache

        return prune_cache(config) if options.prune else encode_only(config, options.show)
    from exvideo_train.run import train

    return f"Wrote {train(config, changes)}"


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of clips: give 1 or more")
    return int(text)


def _sync(config: "TrainConfig") -> int:
    from exvideo_train.tracking import sync

    try:
        print(sync(config))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
