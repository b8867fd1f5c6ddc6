"""Clips as a network is trained on them: read back from the cache, decoded, and laid beside their files' frames."""

from collections.abc import Sequence
from pathlib import Path

import torch
from exvideo_infer import Base, iter_frames_at, to_uint8, write_video

from exvideo_train.data import Data
from exvideo_train.data.dataset import Clip
from exvideo_train.samples.sheet import draw_sheet

SHEET, FOLDER = "clips.png", "clips"


def show_clips(data: Data, base: Base, count: int, output: Path, device: torch.device) -> Path:
    """Decodes training clips, spread over all of them, to MP4s in `FOLDER`; the path of a sheet of them, `SHEET`.

    Args:
        data: encoded.
        base: what decodes.
        count: of the clips, at most.
        output: folder of both.
        device: that is decoded on.
    """
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.mp4"):
        path.unlink()
    base.decoder.to(device)
    rows = {}
    for number, clip in enumerate(_spread(data.training, count)):
        seen, source = (folder / f"{number:03}-{name}.mp4" for name in ("cache", "file"))
        latents = data.cache.read(clip).latents.to(device)
        write_video(seen, (to_uint8(frame) for frame in base.decode(latents)), clip.fps)
        write_video(source, iter_frames_at(clip.path, clip.places, clip.size), clip.fps)
        caption = f": {clip.caption}" if clip.caption else ""
        label = f"{clip.name_in(data.folder)}, {clip.num_frames} frames at {clip.fps:g} a second{caption}"
        rows[label] = {"its file": source, "the cache": seen}
    draw_sheet(output / SHEET, rows, f"{len(rows)} of {len(data.training)} clips")
    return output / SHEET


def _spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    count = min(count, len(clips))
    return [clips[number * (len(clips) - 1) // max(1, count - 1)] for number in range(count)]
