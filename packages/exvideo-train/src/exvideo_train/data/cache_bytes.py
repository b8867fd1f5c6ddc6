"""The room that encoded clips take, known before any is encoded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from exvideo_infer import AugmentsFirstFrame, Base
from torch import Tensor

from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import BLOCK

_HEADER = 256  # of a file, about


def cache_bytes(base: Base, clips: Sequence[Clip], variants: int = 0) -> int:
    """Bytes that a cache takes for clips, to within the length of headers; what is there already is not looked at.

    Args:
        base: what encodes.
        clips: at least one.
        variants: of each first frame, as `noise_augmentation.variants` has them.
    """
    texts = {clip.caption for clip in clips} if base.tokenizer is not None else set()
    total = (_halves(base.encode_text("")) + _HEADER) * len(texts) if texts else 0
    by_size: dict[tuple[int, int], list[Clip]] = {}
    for clip in clips:
        by_size.setdefault(clip.size, []).append(clip)
    return total + sum(_bytes_at(size, base, own, variants) for size, own in by_size.items())


def _bytes_at(size: tuple[int, int], base: Base, clips: Sequence[Clip], variants: int) -> int:
    """Those of clips of a size, without their texts.

    One picture is encoded, or a clip of each length if the base encodes over time: its size is that of all.
    """
    picture = torch.zeros(1, 3, *size)
    record = _halves(base.encode_image(picture[0])) + _HEADER
    total = record * len(clips)
    if isinstance(base, AugmentsFirstFrame) and variants:
        firsts = {(clip.path, clip.places[0]) for clip in clips}
        total += (variants * _halves(base.encode_noisy_image(picture[0])) + _HEADER) * len(firsts)
    if not base.encodes_frames_apart:
        for length, count in Counter(clip.num_frames for clip in clips).items():
            total += 2 * base.encode_frames(picture.expand(length, -1, -1, -1)).numel() * count
        return total
    frames: dict[Path, set[int]] = {}
    for clip in clips:
        frames.setdefault(clip.path, set()).update(clip.places)
    blocks = sum(len({place // BLOCK for place in places}) for places in frames.values())
    each = 2 * base.encode_frames(picture).numel()
    return total + each * sum(map(len, frames.values())) + _HEADER * blocks


def _halves(tensors: Mapping[str, Tensor]) -> int:
    return 2 * sum(tensor.numel() for tensor in tensors.values())
