"""Notes on files that a reader of raw pixels would see otherwise than a player shows them."""

from collections.abc import Mapping

from exvideo_eval.shown_name import shown_name
from exvideo_eval.video_reader import VideoInfo

_NAMED = 3


def unusual_files(role: str, infos: Mapping[str, VideoInfo]) -> list[str]:
    """A note for each trait that some files of a set have: "Real files, turned by 90 degrees: 2 (a.mp4, b.mp4)."

    Args:
        role: of the set.
        infos: of its files, by name.
    """
    by_trait: dict[str, list[str]] = {}
    for file, info in infos.items():
        for note in info.notes:
            by_trait.setdefault(note, []).append(file)
    return [f"{role.capitalize()} files, {trait}: {len(files)} ({_named(files)})." for trait, files in by_trait.items()]


def _named(files: list[str]) -> str:
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return ", ".join(map(shown_name, files[:_NAMED])) + more
