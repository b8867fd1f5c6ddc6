"""Notes on files that a reader of raw pixels would see otherwise than a player shows them, and on copies of others."""

from collections.abc import Mapping

from exvideo_eval.shown_name import shown_name
from exvideo_eval.video_reader import VideoInfo

_NAMED, _COPIES_NAMED = 3, 20


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
    return [
        f"{role.capitalize()} files, {trait}: {len(files)} ({_named(files, _NAMED)})."
        for trait, files in by_trait.items()
    ]


def copied_files(role: str, contents: Mapping[str, str]) -> list[str]:
    """A note if files of a set have the content of another one of it: each of them counts as a clip of its own.

    Args:
        role: of the set.
        contents: of its files, by name: equal for those that are alike to the byte.
    """
    first: dict[str, str] = {}
    copies = [file for file, content in contents.items() if first.setdefault(content, file) != file]
    if not copies:
        return []
    named = _named([f"{file} as {first[contents[file]]}" for file in copies], _COPIES_NAMED)
    count = f"{len(copies)} of {len(contents)}"
    return [f"{role.capitalize()} files with the content of another, counted as clips of their own: {count} ({named})."]


def _named(files: list[str], most: int) -> str:
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(map(shown_name, files[:most])) + more
