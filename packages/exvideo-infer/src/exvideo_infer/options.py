"""Options that the commands share, checked as they are parsed."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from exvideo_infer.jobs.job import WAYS
from exvideo_infer.jobs.model import ModelChoice
from exvideo_infer.ranges import INTERPOLATORS, RANGES

# Exit codes.
BAD_INPUT = 2  # argparse's own
OUT_OF_MEMORY = 3
INTERRUPTED = 130  # a shell's for a process that Ctrl-C has ended
BACKENDS = ("auto", "triton", "sdpa", "xformers")
DTYPES = ("auto", "float32", "float16", "bfloat16")


class Parser(argparse.ArgumentParser):
    """A parser whose refusal is one sentence on stderr."""

    def error(self, message: str) -> NoReturn:
        """Ends the command with exit code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help.\n")


def in_range(name: str) -> Callable[[str], float]:
    """Parses the number of an option, as `RANGES` has it by name."""

    def parse(text: str) -> float:
        try:
            return RANGES[name].parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that a `ModelChoice` is made of."""
    add = parser.add_argument
    add(
        "--base",
        default="embedded",
        metavar="DIR",
        help="base model: a folder saved by diffusers, or a hub id (default: the small one that is shipped)",
    )
    add(
        "--text-to-image",
        metavar="DIR",
        help="what makes the first frame: a text-to-image model, folder or hub id (default: the base's own, if any)",
    )
    add(
        "--extension",
        "--checkpoint",
        metavar="FILE",
        help="extension.safetensors of a training, its folder or a checkpoint's, a hub id, the authors' checkpoint, or "
        '"embedded": the one that is shipped (default: the base is sampled directly)',
    )
    add(
        "--extension-2",
        metavar="FILE",
        help="of a mixture of two experts (Wan 2.2 A14B), the extension of that of low noise; --extension is of high",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: cuda where there is one, else cpu)")
    add("--dtype", choices=DTYPES, default="auto", help="auto: float16 on cuda, else float32")
    add("--attention-backend", choices=BACKENDS, help="of the extension's temporal attention; default: auto")
    add("--compile-blocks", action="store_true", help="compile the network's blocks, which takes minutes: for GPUs")
    add(
        "--decode-tile-size",
        type=int,
        metavar="PIXELS",
        help="decode pictures in tiles, in the memory of one: the same frames but for rounding, in more time; try 256",
    )
    add(
        "--guidance-apart",
        action="store_true",
        help="ask for both halves of guidance one after the other: half of what a step takes beside weights",
    )
    add("--unload-unet", action="store_true", help="move the UNet into main memory while frames are decoded: for GPUs")


def model_choice(options: argparse.Namespace) -> ModelChoice:
    """The choice that options of `add_model_options` make."""
    return ModelChoice(**{name: getattr(options, name) for name in ModelChoice.__dataclass_fields__})


def given_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> set[str]:
    """Names of the options that stand among the arguments, whatever their values."""
    absent = object()
    blank = argparse.Namespace(**dict.fromkeys(vars(parser.parse_args(arguments)), absent))
    return {name for name, value in vars(parser.parse_args(arguments, blank)).items() if value is not absent}


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Adds the settings of a clip's file."""
    add = parser.add_argument
    add("--crf", type=int, help="quality of MP4, 0 (best) to 51, and WebM, 0 to 63: constant rate factor (default: 16)")
    add("--pixel-format", metavar="NAME", help="of MP4 and WebM: yuv420p (default), yuv444p, of MP4 yuv420p10le ...")
    add("--no-metadata", action="store_true", help="do not write into the file how it was made: prompt, seed, settings")


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """Adds the numbers of a clip, by the keys of a `Job`."""

    def add(option: str, **more: Any) -> None:
        parser.add_argument(option, type=in_range(option[2:].replace("-", "_")), **more)

    parser.add_argument(
        "--beyond",
        choices=WAYS,
        help="make a clip longer than the model's. windows: at each step, windows of the model's length, half of each "
        "shared; free-noise: over noise that repeats in another order; chain: clip after clip, each from the last "
        "frame of the one before; keyframes: every second frame, and those between interpolated",
    )
    add("--window-length", help="frames of a window, or of each clip of a chain (default: the model's)")
    add("--window-overlap", help="frames that two windows share (default: half)")
    add("--keyframe-every", help="frames from one keyframe to the next (default: 2)")
    parser.add_argument(
        "--interpolator",
        choices=INTERPOLATORS,
        help="of frames between keyframes; auto: RIFE where exvideo-infer[rife] is installed, else linear mixtures",
    )
    add("--strength", help="of the noise on --video: 1 leaves nothing of it (default: 0.5)")
    add("--num-frames", help="default: the extension's, else the base's")
    add("--seconds", help="length in seconds, in place of --num-frames: rounded to frames at the clip's rate")
    add("--steps", help="denoising steps (default: the base's, else 25)")
    add("--seed", default=0, help="of the noise (default: %(default)s)")
    add("--fps", help="rate the model is told and the file has (default: the base's, else 7)")
    add("--guidance-min", help="guidance of the first frame (default: the base's, else 1)")
    add(
        "--guidance-max",
        help="guidance of the last frame (default: the base's, else 3; AnimateDiff, of all frames: 7.5)",
    )
    add("--motion-bucket-id", help="motion, 0 to 255 (default: the base's, else 127)")
    add("--height", help="pixels (default: what the base was made for)")
    add("--width", help="pixels (default: what the base was made for)")
