"""Causes of a base's limit in length: one thing at a time is changed in how it is run, and nothing is trained.

Were it the frames' positions, other positions would help; were it that its attention spans more frames than it was
trained with, a narrower one would. What is left is what it learnt of the first frame: how far from it things get.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, extend
from exvideo_infer.pipeline import ExVideoPipeline
from torch import Tensor

Frames = Tensor  # (clips, frames, 3, height, width) in [0, 1]
# (pipeline, conditions, num_frames) -> frames; the conditions are the pipeline's own arguments.
Sampler = Callable[[ExVideoPipeline, Mapping[str, Any], int], Frames]


class NearFrames:
    """An attention processor for temporal attention: a frame sees those that are less than `reach` frames away."""

    def __init__(self, reach: int) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.reach, self.whole = reach, AttnProcessor2_0()

    def __call__(self, attn: Any, hidden_states: Tensor, **others: Any) -> Tensor:
        rows, frames, _ = hidden_states.shape
        number = torch.arange(frames, device=hidden_states.device)
        far = (number[:, None] - number).abs() >= self.reach
        mask = torch.zeros((frames, frames), dtype=hidden_states.dtype, device=far.device).masked_fill(far, -torch.inf)
        attended: Tensor = self.whole(attn, hidden_states, attention_mask=mask.expand(rows, -1, -1))
        return attended


def directly(pipeline: ExVideoPipeline, conditions: Mapping[str, Any], num_frames: int) -> Frames:
    """As anyone would: so many frames are asked for."""
    frames: Tensor = pipeline(num_frames=num_frames, output_type="pt", **conditions).frames
    return frames


def window_after_window(pipeline: ExVideoPipeline, conditions: Mapping[str, Any], num_frames: int) -> Frames:
    """In clips of the base's own length, each from the last frame of the one before: it is never far from its first."""
    length = pipeline.unet.config.num_frames
    given = dict(conditions)
    clips = [directly(pipeline, given, length)]
    while 1 + len(clips) * (length - 1) < num_frames:
        given["image"] = clips[-1][:, -1]
        clips.append(directly(pipeline, given, length))
    return torch.cat([clips[0], *(clip[:, 1:] for clip in clips[1:])], dim=1)[:, :num_frames]


def with_positions(scheme: str, num_frames: int) -> ExVideoPipeline:
    """The base with a fresh extension: its own weights, and positions of `exvideo_blocks.positions`."""
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    extend(pipeline.unet, ExtensionConfig(num_frames=num_frames, positions=scheme))
    return pipeline


def with_near_frames(reach: int) -> ExVideoPipeline:
    """The base whose temporal attention spans no more frames than it was trained with."""
    pipeline = ExVideoPipeline.from_pretrained("embedded")
    for name, module in pipeline.unet.named_modules():
        if name.endswith(".attn1") and ".temporal_transformer_blocks." in name:
            module.set_processor(NearFrames(reach))
    return pipeline
