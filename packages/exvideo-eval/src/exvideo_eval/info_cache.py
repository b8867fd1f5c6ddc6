"""Descriptions of files that were decoded to be counted, kept by their content and the versions that decoded them."""

import json
from dataclasses import asdict
from pathlib import Path

from exvideo_eval.machine import versions_of_measuring
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.video_reader import VideoInfo, digest, probe
from exvideo_eval.whole_file import replacing


class InfoCache:
    """`<folder>/info/<key>.json` of each file that was decoded whole; the key is of its SHA-256 and of versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "info"

    def probe(self, path: Path) -> VideoInfo:
        """As `video_reader.probe`, decoding a file's content no more than once; raises as that does, or ValueError."""
        key = protocol_hash({"file": digest(path), "versions": versions_of_measuring()})
        stored = self.folder / f"{key}.json"
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
