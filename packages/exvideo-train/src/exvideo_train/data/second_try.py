"""Files on a disk that fails now and then: read a second time before they are given up."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from exvideo_infer import VideoError

T = TypeVar("T", bound=Hashable)


def try_twice(items: Iterable[T], work: Callable[[T], None]) -> dict[T, str]:
    """Works on each item; what cannot be read is tried once more when all others are done.

    Args:
        work: raises VideoError or OSError for an item that cannot be read; any other exception ends it all.

    Returns:
        The reason for each item that failed twice.
    """
    return _failures(_failures(items, work), work)


def _failures(items: Iterable[T], work: Callable[[T], None]) -> dict[T, str]:
    reasons = {}
    for item in items:
        try:
            work(item)
        except (VideoError, OSError) as error:
            reasons[item] = reason_of(error)
    return reasons


def reason_of(error: VideoError | OSError) -> str:
    """One sentence on what cannot be read."""
    if isinstance(error, VideoError):
        return str(error)
    return f"{error.filename or 'its file'} cannot be read ({error.strerror or error})."
