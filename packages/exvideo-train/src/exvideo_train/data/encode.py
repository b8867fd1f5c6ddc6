"""From folders of videos to cached latents, over all processes, before the first step."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from exvideo_infer import Base

from exvideo_train.config import TrainConfig
from exvideo_train.data.buckets import Bucket, by_bucket
from exvideo_train.data.captions import unread_captions, with_captions
from exvideo_train.data.dataset import Clip, Skip
from exvideo_train.data.footage import Footage, find_footage
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.left_out import LeftOut, keep_left_out, read_left_out
from exvideo_train.data.report import check_bad, report_conversion, report_footage
from exvideo_train.data.sharing import Alone, Sharing
from exvideo_train.data.video_encoder import VideoEncoder, by_video

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Data:
    """The clips of a run, encoded in `cache`.

    Args:
        folder: of the training clips.
    """

    cache: LatentCache
    training: list[Clip]
    held_out: list[Clip]
    folder: Path

    @property
    def buckets(self) -> dict[Bucket, list[Clip]]:
        """The training clips by size and length."""
        return by_bucket(self.training)

    @property
    def content(self) -> str:
        """A fingerprint of the training clips in their order, 64 hex digits."""
        return sha256(json.dumps([self.cache.content_of(clip) for clip in self.training]).encode()).hexdigest()

    @property
    def clips_by_name(self) -> dict[str, str]:
        """`LatentCache.content_of` of each training clip, in their order, by names such as "folder/a.mp4@16"."""
        return {clip.name_in(self.folder): self.cache.content_of(clip) for clip in self.training}


def find_all_clips(config: TrainConfig) -> tuple[list[Clip], list[Clip], list[Skip]]:
    """Training clips, held-out clips, and the files that give none, found by this process alone.

    Raises:
        UserError: as `find_footage`.
    """
    footage = find_footage(config, Alone(), [])
    training, held_out = [*(part.clips for part in footage), []][:2]
    skips = [Skip(part.source.folder / gone.clip, gone.reason) for part in footage for gone in part.left_out]
    return training, held_out, [skip for part in footage for skip in part.skips] + skips


@dataclass(frozen=True)
class Found:
    """The clips of a run before they are encoded in `cache`; `before` are those that an earlier start left out."""

    footage: list[Footage]
    cache: LatentCache
    before: list[LeftOut]

    @property
    def clips(self) -> list[Clip]:
        """Those to train on, and those that are held out."""
        return [clip for part in self.footage for clip in part.clips]


def find_data(config: TrainConfig, base: Base, processes: Sharing) -> Found:
    """Finds the clips, with their captions; every process must call.

    Args:
        base: what is to encode. If it reads text, captions are read from beside the videos; else they are not looked
            at.
        processes: those of the run.

    Raises:
        UserError: a folder is missing or gives no clip, a held-out video is trained on, or a caption cannot be read.
    """
    before = processes.together(lambda: read_left_out(config.output))
    footage = find_footage(config, processes, before)
    if base.tokenizer is None:
        footage = [replace(part, clips=[replace(clip, caption=None) for clip in part.clips]) for part in footage]
    else:
        footage = [replace(part, clips=with_captions(part.clips)) for part in footage]
        if processes.is_main:
            clips = [clip for part in footage for clip in part.clips]
            print(*unread_captions(clips, base.tokenizer), sep="", end="", file=sys.stderr)
    contents = {path: file.content for part in footage for path, file in part.files.items()}
    cache = LatentCache(config.cache, base, contents, config.noise_augmentation)
    return Found(footage, cache, before)


def encode_data(config: TrainConfig, base: Base, processes: Sharing, progress: Progress) -> Data:
    """Finds the clips and encodes those that are not in the cache yet, each process its share; every process must call.

    A clip that cannot be read, twice, is dropped and reported, and kept in `LEFT_OUT` of the output folder, so that the
    next start drops it, too.

    Args:
        base: what encodes.
        processes: those of the run.
        progress: called with (clips done, clips in all).

    Raises:
        UserError: as `find_data`; or nothing is left to train on, more than `data.max_bad` files and clips cannot be
            read, or the cache cannot be written to.
    """
    found = find_data(config, base, processes)
    cache, before = found.cache, found.before
    if processes.is_main and (old := cache.of_before()):
        print(
            f"{len(old)} files in {config.cache} are of the layout that kept each clip for itself, which is read no "
            "more: their clips are encoded anew. --prune removes the files.",
            file=sys.stderr,
        )
    if processes.is_main:
        report_conversion(found.footage, config.output, config.data.fps)
    footage = _encode(found.footage, cache, base, before, processes, progress)
    left_out = [clip for part in footage for clip in part.left_out]
    if processes.is_main:
        report_footage(footage, config.output, config.data.fps)
    for part in footage:
        part.require_clips()
    check_bad(footage, config.data.max_bad)
    if processes.is_main:
        keep_left_out(config.output, left_out, before)
    training, held_out = [*(part.clips for part in footage), []][:2]
    return Data(cache, training, held_out, footage[0].source.folder)


def _encode(
    footage: list[Footage],
    cache: LatentCache,
    base: Base,
    before: list[LeftOut],
    processes: Sharing,
    progress: Progress,
) -> list[Footage]:
    """The footage without the clips that are left out, now or `before`."""
    gone = {left_out.key: left_out for left_out in before}
    keys = {
        clip: (part.source.key, clip.name_in(part.source.folder), cache.content_of(clip))
        for part in footage
        for clip in part.clips
    }
    damaged = {path: file.damaged for part in footage for path, file in part.files.items()}
    wanted = [clip for clip, key in keys.items() if key not in gone]
    reasons = _encode_share(wanted, cache, base, damaged, processes, progress)
    left_out = {
        clip: gone.get(key) or LeftOut(*key, reasons[clip])
        for clip, key in keys.items()
        if key in gone or clip in reasons
    }
    return [
        replace(
            part,
            clips=[clip for clip in part.clips if clip not in left_out],
            left_out=part.left_out + [left_out[clip] for clip in part.clips if clip in left_out],
        )
        for part in footage
    ]


def _encode_share(
    clips: list[Clip],
    cache: LatentCache,
    base: Base,
    damaged: Mapping[Path, Collection[int]],
    processes: Sharing,
    progress: Progress,
) -> dict[Clip, str]:
    """Encodes the videos, together with the other processes; the reasons for the clips that failed twice."""
    for caption in processes.share(list(dict.fromkeys(clip.caption for clip in clips))):
        progress(0, len(clips))
        cache.encode_text(caption, base)
    own = processes.share(by_video(clips))
    paths = {video[0].path for video in own}
    others = [video for video in by_video(clips) if video[0].path not in paths]
    encoder = VideoEncoder(cache, base, damaged, progress, processes.together(lambda: uuid4().hex))
    reasons = encoder.encode([clip for video in own + others[::-1] for clip in video])
    progress(len(clips), len(clips))
    everywhere = {clip: reason for each in processes.gather(reasons) for clip, reason in each.items()}
    encoder.forget()
    return everywhere
