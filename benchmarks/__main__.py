"""All benchmarks, each in a process of its own: python -m benchmarks [--output FOLDER] [--device cpu] ..."""

import argparse
import subprocess
import sys

from exvideo_eval import Result

from benchmarks.command_line import add_options, as_ratios, conditions_of
from benchmarks.conditions import ConditionsError

RESULTS = {  # kind: its files
    "kernels": ("temporal_attention.json",),
    "unet": ("unet_forward.json",),
    "training": ("training_step.json", "training_stretch.json", "training_loader.json"),
    "generation": ("generation_clip.json",),
}


def main() -> int:
    """Runs every kind, then prints the ratios of all results; 1 if one of them failed, 2 for options in vain."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run all benchmarks.")
    add_options(parser)
    options = parser.parse_args()
    try:
        conditions_of(options, rounds=1)
    except ConditionsError as error:
        print(error, file=sys.stderr)
        return 2
    commands = {kind: [sys.executable, "-m", f"benchmarks.{kind}", *sys.argv[1:]] for kind in RESULTS}
    failed = [kind for kind, command in commands.items() if subprocess.run(command).returncode]
    print("Summary, medians of the rounds' ratios with their 95% intervals:")
    for kind, names in RESULTS.items():
        if kind in failed:
            print(f"{kind}: failed")
            continue
        for name in names:
            print(as_ratios(Result.load(options.output / name)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
