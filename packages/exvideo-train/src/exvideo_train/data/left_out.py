"""Clips that could not be read, twice, kept beside the run: its next start leaves them out, too, and is the same run.

left_out.json in the output folder: a list of {"source", "clip", "content", "reason"}. Without this file a disk that
fails for a moment would change the clips of a run, which then could not be resumed.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from exvideo_train.atomic import write_json
from exvideo_train.errors import UserError

LEFT_OUT = "left_out.json"


@dataclass(frozen=True)
class LeftOut:
    """A clip that could not be encoded, or a file that could not be read at all.

    Args:
        source: the key of its folder in the configuration, "data.videos".
        clip: its name in that folder, "sub/a.mp4@16", or the file's, "sub/a.mp4".
        content: `LatentCache.content_of` the clip; None for a file.
        reason: one sentence.
    """

    source: str
    clip: str
    content: str | None
    reason: str

    @property
    def key(self) -> tuple[str, str, str | None]:
        """All but the reason."""
        return self.source, self.clip, self.content

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        return self.clip if self.content is None else self.clip.rpartition("@")[0]


def read_left_out(output: Path) -> list[LeftOut]:
    """Those of the run's earlier starts; none if there is no file.

    Raises:
        UserError: the file is damaged.
    """
    path = output / LEFT_OUT
    if not path.is_file():
        return []
    try:
        return [LeftOut(**values) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it to try all clips again.") from error


def keep_left_out(output: Path, clips: list[LeftOut], before: list[LeftOut]) -> None:
    """Adds clips to those of earlier starts, and prints the way to try them again.

    Raises:
        UserError: the output folder cannot be written to.
    """
    known = {clip.key for clip in before}
    new = [asdict(clip) for clip in clips if clip.key not in known]
    if new:
        try:
            write_json(output / LEFT_OUT, [asdict(clip) for clip in before] + new)
        except OSError as error:
            raise UserError(
                f"The folder {output} cannot be written to ({error.strerror}): mend that, or name another output."
            ) from error
    if clips:
        print(f"{output / LEFT_OUT} keeps them out of this run: remove the file to try them again.", file=sys.stderr)
