"""LTX-Video: text to video, and image to video by the same weights; loaded, encoded for, and its own pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.bases.transformer import (
    TransformerBase,
    denormalized_by,
    load_pipeline,
    normalized_by,
)
from exvideo_infer.conditions import PromptConditions
from exvideo_infer.placement import exclusive, execution_device

PIPELINE, IMAGE_PIPELINE = "LTXPipeline", "LTXImageToVideoPipeline"
TRANSFORMER = "LTXVideoTransformer3DModel"
TEXT_WIDTH = "caption_channels"


@dataclass(frozen=True)
class LTXConditions(PromptConditions):
    """The conditions of LTX-Video.

    Args:
        frame_rate: (batch,), frames a second.
    """

    frame_rate: Tensor | None = None


class LTXBase(TransformerBase):
    """The parts of LTX-Video. A first frame is the mode of the autoencoder's posterior, of which the stock pipeline for
    image to video draws a sample."""

    DEFAULTS: ClassVar = SamplingDefaults(
        num_inference_steps=50, min_guidance_scale=3.0, max_guidance_scale=3.0, fps=25.0
    )
    SIZE: ClassVar = (512, 704)
    IMAGE_PIPELINE: ClassVar = IMAGE_PIPELINE

    def call_arguments(self, sampling: SamplingDefaults, fps: float) -> dict[str, Any]:
        """The guidance and the rate, which its positions go by."""
        return super().call_arguments(sampling, fps) | {"frame_rate": fps}

    def normalized(self, latents: Tensor) -> Tensor:
        """By the mean and the deviation of each channel, which are among the autoencoder's weights, and its factor."""
        vae = self.pipeline.vae
        scaled: Tensor = normalized_by(latents, vae.latents_mean, vae.latents_std) * vae.config.scaling_factor
        return scaled

    def denormalized(self, latents: Tensor) -> Tensor:
        """By the same."""
        vae = self.pipeline.vae
        return denormalized_by(latents / vae.config.scaling_factor, vae.latents_mean, vae.latents_std)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The autoencoder's answer; one that takes out the last noise itself is told that there is none, as by
        default in the stock pipeline."""
        time = torch.zeros(1, device=latents.device, dtype=latents.dtype)
        vae = self.pipeline.vae
        decoded: Tensor = vae.decode(latents, time if vae.config.timestep_conditioning else None, return_dict=False)[0]
        return decoded

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` of the caption and `unconditional` of the empty one, (tokens, dimension), and the masks of both,
        `mask` and `unconditional_mask`, (tokens,)."""
        pipeline = self.pipeline
        with torch.no_grad(), exclusive(pipeline.tokenizer):
            encoded = pipeline.encode_prompt(caption, device=execution_device(pipeline.text_encoder))
        names = ("embedding", "mask", "unconditional", "unconditional_mask")
        return {name: value[0] for name, value in zip(names, encoded, strict=True)}

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> LTXConditions:
        """The conditions of an encoded clip, a batch of one: the words, the rate, and its first frame where that is
        given."""
        first_frame = encoded.get("first_frame")
        return LTXConditions(
            encoded["embedding"][None],
            None if first_frame is None else first_frame[None],
            unconditional=encoded["unconditional"][None],
            tokens_mask=encoded["mask"][None],
            unconditional_mask=encoded["unconditional_mask"][None],
            frame_rate=torch.tensor([fps]),
        )


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> LTXBase:
    """Loads what diffusers' `LTXPipeline` loads, from a folder or a hub: text to video.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or parts do not fit each other.
    """
    return LTXBase(load_pipeline(PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs))


def load_image_to_video(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> LTXBase:
    """Loads what diffusers' `LTXImageToVideoPipeline` loads; arguments and errors as `load`."""
    return LTXBase(
        load_pipeline(IMAGE_PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs), gives_first_frame=True
    )


PIPELINES = {PIPELINE: load, IMAGE_PIPELINE: load_image_to_video}
