"""The clip of a file that a protocol looks at, ready for its network."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from exvideo_eval.protocols.definition import FRAME, FeatureRule
from exvideo_eval.protocols.frames import RANDOM
from exvideo_eval.protocols.pixels import network_input
from exvideo_eval.video_reader import Decoding, VideoReadError, probe


def read_input(path: Path, name: str, role: str, rule: FeatureRule, seed: int) -> tuple[Tensor, int]:
    """A file's frames as its network takes them: (3, frames, height, width), or (frames, 3, height, width) of pictures.

    With the number of frames in the file. The file is decoded to its end, as one that is corrupt further on is not
    trusted; twice where a start is drawn, which needs the number of frames. A few frames of its own size are in memory.

    Args:
        name: of the file in its set, by which a random start is drawn.

    Raises:
        VideoReadError: the file is no usable video, or too short for the protocol.
    """
    frames, decoding = rule.frames, Decoding(path)
    if frames.start(role) == RANDOM:
        wanted = _indices(path, name, role, rule, probe(path).num_frames, seed)
    else:
        wanted = range(0, _FAR if frames.count is None else frames.span, frames.stride)
    ready: list[Tensor] = []
    waiting: list[np.ndarray] = []
    for index, frame in enumerate(decoding.frames()):
        if index in wanted:
            waiting.append(frame)
        if len(waiting) == _AT_ONCE:
            ready.append(_prepared(waiting, rule))
            waiting = []
    total = decoding.info.num_frames
    _indices(path, name, role, rule, total, seed)  # complains of a file that is too short
    pixels = torch.cat([*ready, *([_prepared(waiting, rule)] if waiting else [])])
    return (pixels if rule.sample == FRAME else pixels.transpose(0, 1).contiguous()), total


_AT_ONCE = 16  # frames
_FAR = 2**62  # of a range over all frames of a file whose number is not known yet


def _prepared(frames: list[np.ndarray], rule: FeatureRule) -> Tensor:
    return network_input(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous(), rule.pixels)


def _indices(path: Path, name: str, role: str, rule: FeatureRule, total: int, seed: int) -> range:
    try:
        return rule.frames.indices(role, total, name, seed)
    except ValueError as error:
        raise VideoReadError(path.name, str(error)) from error
