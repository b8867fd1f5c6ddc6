"""The data of a run, told before anything is paid for: clips, unusual files, and what is left out.

data.json in the output folder: {"format_version": 1, "sources": [{"key", "videos", "clips", "buckets": [{"size":
[height, width], "frames", "clips"}], "files": [{"file", "frames", "fps", "clips", "notes"; and "taken": {"frames",
"fps"} where that is at another rate}], "left_out": [{"name", "reason"}]}]}.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from exvideo_train.atomic import write_json
from exvideo_train.data.buckets import by_bucket
from exvideo_train.data.footage import Footage
from exvideo_train.data.left_out import LeftOut
from exvideo_train.errors import UserError

REPORT = "data.json"


def report_footage(footage: list[Footage], output: Path, fps: float | None = None) -> None:
    """Prints a line for each file that is unusual or left out and one for each source, and writes `REPORT`.

    Raises:
        UserError: the output folder cannot be written to.
    """
    for part in footage:
        noted = {path: file.notes for path, file in part.files.items() if file.notes}
        for path, notes in noted.items():
            print(f"Noted: {path}: {'; '.join(notes)}.", file=sys.stderr)
        for skip in part.skips:
            print(f"Left out: {skip.reason}", file=sys.stderr)
        _print_left_out(part.left_out)
        if line := told_buckets(part):
            print(f"{part.source.key}: {line}.", file=sys.stderr)
        gone = len({left_out.file for left_out in part.left_out if left_out.content is None})
        if noted or gone:
            used = len({clip.path for clip in part.clips})
            print(
                f"{part.source.key}: {len(part.clips)} clips of {used} files; {len(noted)} files are unusual, {gone} "
                f"cannot be read. {output / REPORT} says all.",
                file=sys.stderr,
            )
    _write(footage, output, fps)


def _write(footage: list[Footage], output: Path, fps: float | None) -> None:
    try:
        write_json(output / REPORT, {"format_version": 1, "sources": [describe(part, fps) for part in footage]})
    except OSError as error:
        raise UserError(
            f"The folder {output} cannot be written to ({error.strerror}): mend that, or name another output."
        ) from error


def report_conversion(footage: list[Footage], output: Path, fps: float | None) -> None:
    """Prints what another rate makes of the files' lengths, a line for each rate that they have, and writes `REPORT`.

    Raises:
        UserError: the output folder cannot be written to.
    """
    if not any(part.converted for part in footage):
        return
    for part in footage:
        by_rate: dict[float, list[Path]] = {}
        for path, (rate, _) in part.converted.items():
            by_rate.setdefault(round(rate, 2), []).append(path)
        for rate, paths in sorted(by_rate.items()):
            frames = sum(part.files[path].num_frames for path in paths)
            taken = sum(part.converted[path][1] for path in paths)
            twice = ", some of them more than once" if fps is not None and rate < fps else ""
            print(
                f"{part.source.key}: {len(paths)} files of {rate:g} frames a second have {frames:,} frames, of which "
                f"{taken:,} are taken at {fps:g} a second{twice}.",
                file=sys.stderr,
            )
    _write(footage, output, fps)


def check_bad(footage: list[Footage], most: int | None) -> None:
    """Raises UserError if more than `most` files and clips cannot be read, naming them; None for any number."""
    bad = [left_out.clip for part in footage for left_out in part.left_out]
    bad += [str(skip.path) for part in footage for skip in part.skips if skip.damaged]
    if most is not None and len(bad) > most:
        raise UserError(
            f"{len(bad)} files and clips cannot be read, and data.max_bad is {most}: {', '.join(bad)}. "
            "Mend or remove them, or raise data.max_bad."
        )


def describe(part: Footage, fps: float | None = None) -> dict[str, Any]:
    """A source as `REPORT` has it; `fps` is the rate that frames are taken at, None for each file's own."""
    clips = Counter(clip.path for clip in part.clips)
    files = [
        {
            "file": str(path),
            "frames": file.num_frames,
            "fps": file.fps,
            "clips": clips[path],
            "notes": list(file.notes),
        }
        | ({"taken": {"frames": part.converted[path][1], "fps": fps}} if path in part.converted else {})
        for path, file in part.files.items()
    ]
    left_out = [{"name": str(skip.path), "reason": skip.reason} for skip in part.skips]
    left_out += [{"name": gone.clip, "reason": gone.reason} for gone in part.left_out]
    buckets = [
        {"size": [bucket.height, bucket.width], "frames": bucket.num_frames, "clips": len(own)}
        for bucket, own in by_bucket(part.clips).items()
    ]
    about = {"key": part.source.key, "videos": str(part.source.videos), "clips": len(part.clips)}
    return about | {"buckets": buckets, "files": files, "left_out": left_out}


def told_buckets(part: Footage) -> str:
    """The number of clips of each bucket in a line; empty where there is but one."""
    buckets = by_bucket(part.clips)
    return "; ".join(f"{len(own)} clips of {bucket}" for bucket, own in buckets.items()) if len(buckets) > 1 else ""


def _print_left_out(clips: list[LeftOut]) -> None:
    """Prints a line a file, with the reason of its first clip."""
    by_file: dict[tuple[str, str], list[LeftOut]] = {}
    for clip in clips:
        by_file.setdefault((clip.source, clip.file), []).append(clip)
    for group in by_file.values():
        names = [clip.clip for clip in group]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(f"Left out: {', '.join(names[:3])}{more}: {group[0].reason}", file=sys.stderr)
