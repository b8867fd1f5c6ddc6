"""The conditions of a batch of clips, made of what a caller gives: first frames, prompts and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from exvideo_infer.conditioning import added_time_ids, embed_image, embed_text, encode_first_frame, join_tokens
from exvideo_infer.first_frame import for_image_encoder, for_vae
from exvideo_infer.request import Generators
from exvideo_infer.sampler import Conditions
from exvideo_infer.sampling_defaults import SamplingDefaults

if TYPE_CHECKING:
    from PIL.Image import Image

    from exvideo_infer.pipeline import ExVideoPipeline


def clip_conditions(
    pipeline: ExVideoPipeline,
    images: list[Image] | Tensor,
    prompts: list[str] | None,
    size: tuple[int, int],
    sampling: SamplingDefaults,
    generator: Generators,
) -> Conditions:
    """What the network is told about each clip.

    Args:
        pipeline: whose networks encode; the result has its device and dtype.
        images: first frames, as `exvideo_infer.first_frame.check_image` gives them.
        prompts: one an image. Read only by a base that reads text, which reads the empty one where there are none.
        size: (height, width) of the clips in pixels.
        sampling: for `fps`, `motion_bucket_id` and `noise_aug_strength`.
        generator: for the noise on the first frames.
    """
    device, dtype, strength = pipeline.device, pipeline.dtype, sampling.noise_aug_strength
    pixels = for_vae(images, *size).to(device)
    pixels = pixels + strength * randn(tuple(pixels.shape), generator, device, pixels.dtype)
    first_frames = encode_first_frame(pipeline.vae, pixels).to(dtype)
    ids = added_time_ids(sampling.fps, sampling.motion_bucket_id, strength, len(images), dtype, device)
    return Conditions(_embed(pipeline, images, prompts).to(device, dtype), first_frames, ids)


def randn(shape: tuple[int, ...], generator: Generators, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal noise as diffusers draws it: on the generator's own device, then moved."""
    from diffusers.utils.torch_utils import randn_tensor

    noise: Tensor = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
    return noise


def _embed(pipeline: ExVideoPipeline, images: list[Image] | Tensor, prompts: list[str] | None) -> Tensor:
    batches = for_image_encoder(images)
    tokens = torch.cat([embed_image(pipeline.image_encoder, pipeline.feature_extractor, batch) for batch in batches])
    if pipeline.text_encoder is None or pipeline.tokenizer is None:
        return tokens
    texts = [""] * len(images) if prompts is None else prompts
    return join_tokens(tokens, embed_text(pipeline.text_encoder, pipeline.tokenizer, texts))
