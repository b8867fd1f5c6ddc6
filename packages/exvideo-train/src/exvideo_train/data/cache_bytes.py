"""The room that encoded clips take, known before any is encoded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from exvideo_infer import AugmentsFirstFrame, Base
from torch import Tensor

from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import BLOCK

_HEADER = 256  # of a file, about


def cache_bytes(base: Base, size: tuple[int, int], clips: Sequence[Clip], variants: int = 0) -> int:
    """Bytes that a cache takes for clips, to within the length of headers; what is there already is not looked at.

    One picture is encoded, or one clip if the base encodes over time: its size is that of all.

    Args:
        base: what encodes.
        size: (height, width) in pixels.
        clips: at least one.
        variants: of each first frame, as `noise_augmentation.variants` has them.
    """
    picture = torch.zeros(1, 3, *size)
    record = _halves(base.encode_image(picture[0])) + _HEADER
    total = record * len(clips)
    if isinstance(base, AugmentsFirstFrame) and variants:
        firsts = {(clip.path, clip.places[0]) for clip in clips}
        total += (variants * _halves(base.encode_noisy_image(picture[0])) + _HEADER) * len(firsts)
    if base.tokenizer is not None:
        texts = {clip.caption for clip in clips}
        total += (_halves(base.encode_text("")) + _HEADER) * len(texts)
    if not base.encodes_frames_apart:
        latents = base.encode_frames(picture.expand(clips[0].num_frames, -1, -1, -1))
        return total + 2 * latents.numel() * len(clips)
    frames: dict[Path, set[int]] = {}
    for clip in clips:
        frames.setdefault(clip.path, set()).update(clip.places)
    blocks = sum(len({place // BLOCK for place in places}) for places in frames.values())
    each = 2 * base.encode_frames(picture).numel()
    return total + each * sum(map(len, frames.values())) + _HEADER * blocks


def _halves(tensors: Mapping[str, Tensor]) -> int:
    return 2 * sum(tensor.numel() for tensor in tensors.values())
