"""A new base in the shape of Stable Video Diffusion: a random UNet, with the encoders of the embedded model."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import restore

from exvideo_infer import embedded
from exvideo_infer.bases import svd
from exvideo_infer.bases.svd import TEXT_PARTS, SVDBase

GROUP = 32  # channels of a group norm
HEAD = 64  # channels of an attention head, as in Stable Video Diffusion; GROUP where the width has no multiple of it
MAX_LEVELS = 4


def make_base(
    hidden_dim: int, num_layers: int, num_frames: int, seed: int = 0, *, draw_weights: bool = True
) -> SVDBase:
    """Makes a base whose UNet has random weights, in fp32.

    Args:
        hidden_dim: channels of the widest level; levels above have half as many each, as in Stable Video Diffusion.
        num_layers: temporal sites, 16 in Stable Video Diffusion. With L levels of k layers there are
            (L - 1)(2 k + 1) + 1; the most levels, up to four, that give this number are taken.
        num_frames: length that the base is made for.
        seed: the same seed gives the same weights; the global random state is left as it was.
        draw_weights: False leaves the UNet on the meta device, for a look at its shapes, in less time and no memory.

    Raises:
        ValueError: no such UNet can be built; it says which numbers are near.
    """
    levels, layers = _levels_and_layers(num_layers)
    channels = _channels(hidden_dim, levels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        base = svd.load(str(embedded.directory()), torch.float32)
        if draw_weights:
            unet = _unet(base, channels, layers, num_frames)
        else:
            with torch.device("meta"):
                unet = _unet(base, channels, layers, num_frames)
            unet = unet.to("meta")  # diffusers' blenders make their factor on the CPU all the same
        return replace(base, unet=unet, directory=None)


def save_base(base: SVDBase, folder: Path) -> None:
    """Writes a base as `load_base` reads it, complete or not at all; a folder that is there is replaced.

    Its network is saved as the base's own, without an extension that is mounted on it, which is taken off.
    """
    from diffusers import StableVideoDiffusionPipeline
    from exvideo_blocks import extension_of

    if extension_of(base.unet) is not None:
        restore(base.unet)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    parts = ("vae", "image_encoder", "unet", "scheduler", "feature_extractor")
    StableVideoDiffusionPipeline(**{part: getattr(base, part) for part in parts}).save_pretrained(temporary)
    for part in TEXT_PARTS:
        if getattr(base, part) is not None:
            getattr(base, part).save_pretrained(temporary / part)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def _unet(base: SVDBase, channels: list[int], layers: int, num_frames: int) -> Any:
    from diffusers import UNetSpatioTemporalConditionModel

    shape = base.unet.config
    attentive = len(channels) - 1
    network = UNetSpatioTemporalConditionModel(
        sample_size=2 ** (len(channels) + 1),
        in_channels=shape.in_channels,
        out_channels=shape.out_channels,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * attentive + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * attentive,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        addition_time_embed_dim=shape.addition_time_embed_dim,
        projection_class_embeddings_input_dim=shape.projection_class_embeddings_input_dim,
        cross_attention_dim=shape.cross_attention_dim,
        num_attention_heads=tuple(width // (GROUP if width % HEAD else HEAD) for width in channels),
        num_frames=num_frames,
    )
    return network.eval()


def _levels_and_layers(num_layers: int) -> tuple[int, int]:
    shapes = {(levels - 1) * (2 * k + 1) + 1: (levels, k) for levels in range(2, MAX_LEVELS + 1) for k in range(1, 9)}
    if num_layers not in shapes:
        near = sorted(shapes, key=lambda number: (abs(number - num_layers), number))[:4]
        raise ValueError(f"num_layers={num_layers} is no number of temporal sites of such a UNet: give one of {near}.")
    return shapes[num_layers]


def _channels(hidden_dim: int, levels: int) -> list[int]:
    """Widths by level: the two deepest are as wide, each one above half as wide."""
    narrowest = hidden_dim >> max(0, levels - 2)
    if narrowest < GROUP or hidden_dim % (GROUP << max(0, levels - 2)):
        step = GROUP << max(0, levels - 2)
        raise ValueError(f"hidden_dim={hidden_dim} does not suit {levels} levels: give a multiple of {step}.")
    return [hidden_dim >> max(0, levels - 2 - level) for level in range(levels)]
