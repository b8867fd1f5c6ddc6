"""Captions of clips that no list gives: a file beside the video, `<stem>.txt` or a `<stem>.json` with a "caption"."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from exvideo_infer import unknown_words, words_beyond_end

from exvideo_train.data.dataset import Clip
from exvideo_train.errors import UserError


def read_caption(video: Path) -> str | None:
    """The caption of a video, stripped; None if nothing beside it has one. A text file goes before a JSON file.

    Raises:
        UserError: a file beside it cannot be read, or its caption is not text.
    """
    try:
        if video.with_suffix(".txt").is_file():
            return video.with_suffix(".txt").read_text(encoding="utf-8-sig").strip() or None
        if not video.with_suffix(".json").is_file():
            return None
        values = json.loads(video.with_suffix(".json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The caption beside {video} cannot be read ({reason}): mend or remove the file.") from error
    caption = values.get("caption") if isinstance(values, dict) else None
    if caption is None:
        return None
    if not isinstance(caption, str):
        raise UserError(f"{video.with_suffix('.json')} has the caption {caption!r}: make it text.")
    return caption.strip() or None


def with_captions(clips: list[Clip]) -> list[Clip]:
    """The clips, each with the caption of its video where it has none of its own.

    Raises:
        UserError: as `read_caption`.
    """
    bare = sorted({clip.path for clip in clips if clip.caption is None})
    captions = {path: read_caption(path) for path in bare}
    return [clip if clip.caption is not None else replace(clip, caption=captions[clip.path]) for clip in clips]


def unread_captions(clips: list[Clip], tokenizer: Any) -> list[str]:
    """Notes for the person, a line each: missing captions, unknown words, captions that are cut.

    Args:
        clips: as `with_captions` gives them.
        tokenizer: of the base that reads the captions.
    """
    missing = sorted({clip.path for clip in clips if clip.caption is None})
    known = list(dict.fromkeys(clip.caption for clip in clips if clip.caption is not None))
    unknown = unknown_words(tokenizer, known)
    long = [caption for caption in known if words_beyond_end(tokenizer, caption)]
    lines = []
    if missing:
        videos = len({clip.path for clip in clips})
        lines.append(
            f"{len(missing)} of {videos} videos have no caption and get the empty prompt ({missing[0]} is the "
            "first); a caption is a .txt file beside the video.\n"
        )
    if unknown:
        lines.append(f"The base does not know these words of the captions: {', '.join(unknown)}.\n")
    if long:
        lines.append(f"The base does not read the end of {len(long)} captions, which are too long: {long[0]!r}.\n")
    return lines
