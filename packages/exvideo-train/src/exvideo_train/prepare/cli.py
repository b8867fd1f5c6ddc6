"""`exvideo-prepare FOOTAGE... --output FOLDER`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exvideo_infer import outliving_readers

from exvideo_train.data.dataset import find_files
from exvideo_train.errors import UserError
from exvideo_train.prepare.scenes import Rules


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0 done, 1 the disk failed, 2 bad input, 130 stopped."""
    with outliving_readers():
        return _main(_parser().parse_args(arguments))


def _main(options: argparse.Namespace) -> int:
    from exvideo_infer import VideoError

    from exvideo_train.prepare.job import Job, prepare

    try:
        job = Job(
            _files(options.footage),
            options.output,
            _rules(options),
            _number("--held-out", options.held_out, 0, 1),
            options.seed,
            options.captions,
            _unwanted(options.leave_out),
            options.cut,
            _size(options),
        )
        print(prepare(job))
    except (UserError, VideoError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or options.output
        print(f"{place} cannot be used ({error.strerror}): mend that, and the same command goes on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped: the same command goes on with the file that it was at.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    rules = Rules()
    parser = argparse.ArgumentParser(
        prog="exvideo-prepare",
        description="Long footage into clips by scene: metadata.jsonl for data.videos, and sheets to look at. Run the "
        "same command again after a kill, or with other options: each file is looked at once.",
    )
    parser.add_argument("footage", nargs="+", type=Path, help="video files, or folders of them with their subfolders")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for all that is written")
    parser.add_argument(
        "--threshold",
        type=float,
        default=rules.threshold,
        help="a shot ends where that is likelier than this; default: %(default)s",
    )
    parser.add_argument(
        "--min-frames", type=int, default=rules.min_frames, help="scenes that are shorter are left out; %(default)s"
    )
    parser.add_argument("--max-frames", type=int, help="longer scenes are parted; at least twice --min-frames")
    parser.add_argument(
        "--min-brightness",
        type=float,
        default=rules.min_brightness,
        help="darker scenes are left out, 0 (black, so none) to 1; default: %(default)s",
    )
    parser.add_argument(
        "--min-motion",
        type=float,
        default=rules.min_motion,
        help="scenes that differ less from frame to frame, of full scale, are left out, 0 for none; %(default)s",
    )
    parser.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="FILE:SCENES",
        help="scenes that you do not want, such as film.mp4:1-3,17; may be given again",
    )
    parser.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE", help="of the scenes, whole, for validation; %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides which scenes are held out; default: %(default)s")
    parser.add_argument("--captions", type=Path, metavar="LIST", help=".jsonl, .csv or .json by file and scene or time")
    parser.add_argument("--cut", action="store_true", help="write each clip as an MP4 file of its own, too")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the files that --cut writes; as they are"
    )
    return parser


def _files(given: Sequence[Path]) -> list[Path]:
    """The files, those of folders in the order of their names, each once."""
    found: list[Path] = []
    for path in (path.expanduser() for path in given):
        if not path.exists():
            raise UserError(f"{path} does not exist: give video files, or folders of them.")
        found += find_files("footage", path) if path.is_dir() else [path]
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def _rules(options: argparse.Namespace) -> Rules:
    for name, value in (("--min-frames", options.min_frames), ("--max-frames", options.max_frames)):
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}: give a number of frames, at least 1.")
    if options.max_frames is not None and options.max_frames < 2 * options.min_frames:
        raise UserError(
            f"--max-frames is {options.max_frames}, and --min-frames {options.min_frames}: give at least twice as "
            "many, so that no part of a scene is too short."
        )
    return Rules(
        _number("--threshold", options.threshold, 0, 1),
        options.min_frames,
        options.max_frames,
        _number("--min-brightness", options.min_brightness, 0, 1),
        _number("--min-motion", options.min_motion, 0, 1),
    )


def _number(name: str, value: float, low: float, high: float) -> float:
    if not low <= value < high:
        raise UserError(f"{name} is {value:g}: give a number from {low:g} on and below {high:g}.")
    return value


def _size(options: argparse.Namespace) -> tuple[int, int] | None:
    if options.size is None:
        return None
    height, width = options.size
    if not options.cut:
        raise UserError(f"--size is {height} {width}, and nothing is written without --cut: give both, or neither.")
    if min(height, width) < 2 or height % 2 or width % 2:
        raise UserError(f"--size is {height} {width}: give an even height and width.")
    return height, width


def _unwanted(given: Sequence[str]) -> dict[str, list[range]]:
    """Ranges of scene numbers by the names of files, from such as "film.mp4:1-3,17"."""
    unwanted: dict[str, list[range]] = {}
    for text in given:
        name, _, numbers = text.rpartition(":")
        try:
            spans = [[int(end) for end in span.split("-")] for span in numbers.split(",")]
            ranges = [range(span[0], span[-1] + 1) for span in spans if 0 < span[0] <= span[-1] and len(span) <= 2]
        except ValueError:
            spans, ranges = [[]], []
        if not name or len(ranges) < len(spans):
            raise UserError(f"--leave-out is {text}: give a file's name and its scenes, such as film.mp4:1-3,17.")
        unwanted.setdefault(name, []).extend(ranges)
    return unwanted
