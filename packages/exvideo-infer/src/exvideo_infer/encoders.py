"""From clips, first frames, words and numbers to latents and conditions, by the networks of a base.

The trainer and the sampler both call these functions, so a model is sampled under the conditions it was trained on.
Every function equals what `diffusers.StableVideoDiffusionPipeline` computes for the same input, but for text, which it
does not read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from exvideo_infer.conditions import join_tokens
from exvideo_infer.placement import exclusive, execution_device

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder
    from diffusers.video_processor import VideoProcessor
    from PIL.Image import Image
    from transformers import (
        CLIPImageProcessor,
        CLIPTextModelWithProjection,
        CLIPVisionModelWithProjection,
        PreTrainedTokenizerFast,
    )

IMAGE_ENCODER_SIZE = (224, 224)  # what SVD's image encoder, a CLIP ViT-H/14, was trained on


@torch.no_grad()
def encode_clip(
    vae: "AutoencoderKLTemporalDecoder", frames: Tensor, chunk_size: int = 8, generator: torch.Generator | None = None
) -> Tensor:
    """Encodes clips to the latents that the network denoises.

    Args:
        vae: the base model's autoencoder; frames are moved to its device and dtype.
        frames: (batch, frames, 3, height, width), in [-1, 1].
        chunk_size: frames encoded at a time. The result does not depend on it, beyond rounding.
        generator: where given, a sample of the posterior is drawn, in one draw for the whole clip; else its mode.

    Returns:
        (batch, frames, channels, height / scale, width / scale), multiplied by `vae.config.scaling_factor`.

    Raises:
        ValueError: if `frames` has not five dimensions of which the third is 3, or `chunk_size` is below 1.
    """
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise ValueError(f"frames have shape {tuple(frames.shape)}: give (batch, frames, 3, height, width).")
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}: at least one frame has to be encoded at a time.")
    with _safe_precision(vae):
        chunks = torch.split(frames.flatten(0, 1), chunk_size)
        posteriors = [vae.encode(chunk.to(execution_device(vae), vae.dtype)).latent_dist for chunk in chunks]
    latents = torch.cat([posterior.mode() for posterior in posteriors])
    if generator is not None:
        noise = torch.randn(latents.shape, generator=generator, device=generator.device, dtype=latents.dtype)
        latents = latents + torch.cat([posterior.std for posterior in posteriors]) * noise.to(latents.device)
    scaling_factor: float = vae.config.scaling_factor
    return latents.reshape(*frames.shape[:2], *latents.shape[1:]) * scaling_factor


@torch.no_grad()
def encode_first_frame(vae: "AutoencoderKLTemporalDecoder", image: Tensor) -> Tensor:
    """Encodes the first frame for the channels that are concatenated to every noisy frame.

    Unlike the latents that are denoised, these are not multiplied by the VAE's scaling factor: SVD was trained so.

    Args:
        vae: the base model's autoencoder; the image is moved to its device and dtype.
        image: (batch, 3, height, width), in [-1, 1].

    Returns:
        (batch, channels, height / scale, width / scale), the mode of the posterior.
    """
    with _safe_precision(vae):
        mode: Tensor = vae.encode(image.to(execution_device(vae), vae.dtype)).latent_dist.mode()
    return mode


@torch.no_grad()
def embed_image(
    image_encoder: "CLIPVisionModelWithProjection", feature_extractor: "CLIPImageProcessor", image: Tensor
) -> Tensor:
    """Embeds the first frame for cross-attention.

    Args:
        image_encoder: the base model's CLIP vision tower; the result has its device and dtype.
        feature_extractor: its preprocessor, of which only the normalisation is used.
        image: (batch, 3, height, width), in [-1, 1], any size; smoothed and resized to 224x224.

    Returns:
        (batch, 1, cross_attention_dim): one token an image.
    """
    # Private, and the one thing that decides these pixels: another resize would be another condition.
    from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing

    resized = _resize_with_antialiasing(image.float().cpu(), IMAGE_ENCODER_SIZE)
    pixels = feature_extractor(
        images=(resized + 1.0) / 2.0,
        do_normalize=True,
        do_center_crop=False,
        do_resize=False,
        do_rescale=False,
        return_tensors="pt",
    ).pixel_values
    embeddings: Tensor = image_encoder(pixels.to(execution_device(image_encoder), image_encoder.dtype)).image_embeds
    return embeddings.unsqueeze(1)


@torch.no_grad()
def embed_text(
    text_encoder: "CLIPTextModelWithProjection", tokenizer: "PreTrainedTokenizerFast", prompts: Sequence[str]
) -> Tensor:
    """Embeds prompts for cross-attention, in a base that reads text.

    Args:
        text_encoder: the base's; the result has its device and dtype.
        tokenizer: the base's. Prompts are cut or filled up to its `model_max_length`; no mask marks the filling,
            neither in the text encoder nor in the UNet, which takes none.
        prompts: "" for a clip without one.

    Returns:
        (prompts, tokenizer.model_max_length, cross_attention_dim): the text encoder's last hidden state.
    """
    length = tokenizer.model_max_length
    with exclusive(tokenizer):
        given = tokenizer(list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    states: Tensor = text_encoder(given.input_ids.to(execution_device(text_encoder))).last_hidden_state
    return states


def embed(
    image_encoder: "CLIPVisionModelWithProjection",
    feature_extractor: "CLIPImageProcessor",
    text_encoder: "CLIPTextModelWithProjection | None",
    tokenizer: "PreTrainedTokenizerFast | None",
    images: Sequence[Tensor],
    texts: Sequence[str],
    batch_size: int | None = None,
) -> Tensor:
    """Tokens for cross-attention: of first frames, then of texts in a base that reads them.

    Args:
        image_encoder, feature_extractor: as for `embed_image`.
        text_encoder, tokenizer: as for `embed_text`; None in a base that reads no text, which ignores `texts`.
        images: batches (batch, 3, height, width), in [-1, 1], each of a size of its own.
        texts: one an image.
        batch_size: texts embedded at a time; default all.

    Returns:
        (images, tokens, dimension).
    """
    tokens = torch.cat([embed_image(image_encoder, feature_extractor, batch) for batch in images])
    if text_encoder is None or tokenizer is None:
        return tokens
    step = batch_size or len(texts)
    parts = [embed_text(text_encoder, tokenizer, texts[start : start + step]) for start in range(0, len(texts), step)]
    return join_tokens(tokens, torch.cat(parts))


def for_vae(image: "list[Image] | Tensor", height: int, width: int, multiple: int = 8) -> Tensor:
    """Resizes to `height` x `width` pixels, whatever the proportions: (batch, 3, height, width) in [-1, 1].

    Args:
        multiple: pixels a latent, which divide both sides.
    """
    pixels: Tensor = _processor(multiple).preprocess(image, height=height, width=width)
    return pixels


def for_image_encoder(image: "list[Image] | Tensor") -> list[Tensor]:
    """In their own size, (batch, 3, height, width) in [-1, 1]: one batch if they share a size, else one tensor each."""
    if isinstance(image, Tensor):
        return [image * 2.0 - 1.0]
    processor = _processor()
    each = [processor.numpy_to_pt(processor.pil_to_numpy(one)) * 2.0 - 1.0 for one in image]
    return [torch.cat(each)] if len({one.size for one in image}) == 1 else each


def _processor(multiple: int = 8) -> "VideoProcessor":
    from diffusers.video_processor import VideoProcessor

    return VideoProcessor(do_resize=True, vae_scale_factor=multiple)


def added_time_ids(
    fps: float,
    motion_bucket_id: float,
    noise_aug_strength: float,
    batch_size: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Tensor:
    """The three numbers that SVD is told about a clip.

    Args:
        fps: frames a second of the clip. SVD was trained on `fps - 1`, and that is what is returned.
        motion_bucket_id: amount of motion, 0 (still) to 255.
        noise_aug_strength: standard deviation of the noise added to the first frame, in units of its [-1, 1].
        batch_size: number of clips, all told the same.
        dtype: of the result.
        device: of the result.

    Returns:
        (batch_size, 3): `fps - 1`, `motion_bucket_id`, `noise_aug_strength`.
    """
    ids = torch.tensor([[fps - 1, motion_bucket_id, noise_aug_strength]], dtype=dtype)
    return ids.repeat(batch_size, 1).to(device)


@contextmanager
def _safe_precision(vae: "AutoencoderKLTemporalDecoder") -> Iterator[None]:
    """SVD's encoder overflows in fp16, and its config says so: such a VAE encodes in fp32 and is put back."""
    with exclusive(vae):
        upcast = vae.dtype == torch.float16 and vae.config.force_upcast
        if upcast:
            vae.to(dtype=torch.float32)
        try:
            yield
        finally:
            if upcast:
                vae.to(dtype=torch.float16)
