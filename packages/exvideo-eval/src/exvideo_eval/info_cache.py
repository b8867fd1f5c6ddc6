"""Descriptions of files that were decoded to be counted, kept by their content."""

import json
from dataclasses import asdict
from pathlib import Path

from exvideo_eval.video_reader import VideoInfo, digest, probe
from exvideo_eval.whole_file import replacing


class InfoCache:
    """`<folder>/info/<SHA-256 of a file>.json` of each file that was decoded whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "info"

    def probe(self, path: Path) -> VideoInfo:
        """As `video_reader.probe`, decoding a file's content no more than once; raises as that does, or ValueError."""
        stored = self.folder / f"{digest(path)}.json"
        try:
            content = json.loads(stored.read_text(encoding="utf-8"))
            return VideoInfo(**content | {"notes": tuple(content["notes"])})
        except (OSError, ValueError, LookupError, TypeError):
            info = probe(path)
        try:
            stored.parent.mkdir(parents=True, exist_ok=True)
            with replacing(stored) as temporary:
                temporary.write_text(json.dumps(asdict(info)), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"The cache {self.folder} cannot be written ({reason}): give another --cache.") from error
        return info
