"""A list of clips in a JSONL file: one object a line, each checked before any model is loaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exvideo_infer.jobs.job import FILES, JOB_KEYS, Job, check_text
from exvideo_infer.pictures import read_image
from exvideo_infer.video_file import probe


def read_jobs(path: Path, defaults: Mapping[str, Any]) -> dict[int, Job]:
    """The jobs of a list, by line number; blank lines are none.

    Args:
        path: UTF-8; each line an object with `prompt` or `image` and any other of `JOB_KEYS`. Images and
            clips are named from the folder of the list.
        defaults: values of rows that do not give them.

    Raises:
        ValueError: the file cannot be read, holds no row, or a row is wrong; the message has its line number.
    """
    jobs: dict[int, Job] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a list in UTF-8 ({error}): give a JSONL file.") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                jobs[number] = _job(line, path.parent, defaults)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    if not jobs:
        raise ValueError(f'{path} holds no row: give one object a line, such as {{"prompt": "a red circle bounces"}}.')
    return jobs


def job_of(values: Any, folder: Path, defaults: Mapping[str, Any]) -> Job:
    """The job of an object that JSON has given.

    Args:
        values: by `JOB_KEYS`; null is the same as nothing.
        folder: that a relative `image`, `continues` or `video` is in.
        defaults: values in place of those that are not given. One length that is given takes the place of both.

    Raises:
        ValueError: it is no object, has an unknown key or a wrong value, or its image or clip cannot be read.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{str(values)[:60]!r} is no object: give one of {', '.join(JOB_KEYS)}.")
    unknown = [key for key in values if key not in JOB_KEYS]
    if unknown:
        raise ValueError(f"The key {unknown[0]!r} is unknown: give {', '.join(JOB_KEYS)}.")
    given = {key: value for key, value in values.items() if value is not None}
    if given.keys() & {"num_frames", "seconds"}:
        defaults = {key: value for key, value in defaults.items() if key not in ("num_frames", "seconds")}
    for name in given.keys() & set(FILES):
        check_text(name, given[name])
        given[name] = folder / given[name]
        _check_file(name, given[name])
    return Job(**{**defaults, **given})


def _check_file(name: str, path: Path) -> None:
    if name == "image":
        read_image(path)
    else:
        probe(path)


def _job(line: str, folder: Path, defaults: Mapping[str, Any]) -> Job:
    try:
        values = json.loads(line, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at character {error.pos + 1}"
        raise ValueError(f"It is no JSON ({where}): give one object a line.") from error
    return job_of(values, folder, defaults)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"The key {twice!r} stands twice: give it once.")
    return values
