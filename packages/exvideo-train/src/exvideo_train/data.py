"""From folders of videos to cached latents, over all processes, before the first step."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from exvideo_infer import Base, VideoError

from exvideo_train.captions import unread_captions, with_captions
from exvideo_train.config import TrainConfig
from exvideo_train.dataset import Clip, Skip, find_clips, require_clips
from exvideo_train.engine import Processes
from exvideo_train.latent_cache import LatentCache

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Data:
    """The clips of a run, encoded in `cache`; `content` is a fingerprint of the training clips in their order."""

    cache: LatentCache
    training: list[Clip]
    held_out: list[Clip]

    @property
    def content(self) -> str:
        names = [self.cache.path_of(clip).stem for clip in self.training]
        return sha256(json.dumps(names).encode()).hexdigest()


def find_all_clips(config: TrainConfig) -> tuple[list[Clip], list[Clip], list[Skip]]:
    """Training clips, held-out clips, and the files that give none.

    Raises:
        UserError: a folder is missing or has no usable video file.
    """
    frames = config.extension.num_frames
    training, skips = find_clips(config.data.videos, frames, config.data.clip_stride)
    require_clips(training, skips, config.data.videos, _report_nothing)
    held_out: list[Clip] = []
    if config.validation is not None:
        section = config.validation
        held_out, more = find_clips(section.videos, frames, section.clip_stride)
        require_clips(held_out, more, section.videos, _report_nothing)
        held_out, skips = held_out[: section.max_clips], skips + more
    return training, held_out, skips


def encode_data(config: TrainConfig, base: Base, processes: Processes, progress: Progress) -> Data:
    """Encodes every clip that is not in the cache yet, each process its share; reports and drops what fails.

    Args:
        base: what encodes. If it reads text, captions are read from beside the videos; else they are not looked at.
        progress: called with (clips done, clips in all) of this process.

    Raises:
        UserError: nothing is left to train on, or a caption cannot be read.
    """
    training, held_out, skips = find_all_clips(config)
    if base.tokenizer is not None:
        training, held_out = with_captions(training), with_captions(held_out)
        if processes.is_main:
            print(*unread_captions(training + held_out, base.tokenizer), sep="", end="", file=sys.stderr)
    cache = LatentCache(config.cache, config.data.size, base)
    failed: dict[str, str] = {}
    own = processes.share(training + held_out)
    for done, clip in enumerate(own):
        progress(done, len(own))
        if str(clip.path) in failed:
            continue
        try:
            cache.encode(clip, base)
        except VideoError as error:
            failed[str(clip.path)] = str(error)
    progress(len(own), len(own))
    everywhere = {path: reason for share in processes.gather(failed) for path, reason in share.items()}
    skips += [Skip(clip.path, everywhere[str(clip.path)]) for clip in _one_a_file(training + held_out, everywhere)]
    training = [clip for clip in training if str(clip.path) not in everywhere]
    held_out = [clip for clip in held_out if str(clip.path) not in everywhere]
    report = _report if processes.is_main else _report_nothing
    require_clips(training, skips, config.data.videos, report)
    if config.validation is not None:
        require_clips(held_out, skips, config.validation.videos, _report_nothing)
    return Data(cache, training, held_out)


def _one_a_file(clips: list[Clip], failed: dict[str, str]) -> list[Clip]:
    first = {clip.path: clip for clip in reversed(clips)}
    return [clip for path, clip in sorted(first.items()) if str(path) in failed]


def _report(skip: Skip) -> None:
    print(f"Left out: {skip.reason}", file=sys.stderr)


def _report_nothing(skip: Skip) -> None:
    pass
