"""CogVideoX: text to video; loaded, encoded for, and its own pipeline."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.bases.transformer import TransformerBase, load_pipeline
from exvideo_infer.conditions import PromptConditions
from exvideo_infer.placement import exclusive, execution_device

PIPELINE = "CogVideoXPipeline"
TRANSFORMER = "CogVideoXTransformer3DModel"
TEXT_WIDTH = "text_embed_dim"


class CogVideoXBase(TransformerBase):
    """The parts of CogVideoX."""

    DEFAULTS: ClassVar = SamplingDefaults(
        num_inference_steps=50, min_guidance_scale=6.0, max_guidance_scale=6.0, fps=8.0
    )

    @property
    def pixels_a_latent(self) -> int:
        """Pixels along the side of a latent."""
        return int(self.pipeline.vae_scale_factor_spatial)

    @property
    def default_size(self) -> tuple[int, int]:
        """By the transformer's config."""
        config = self.network.config
        return config.sample_height * self.pixels_a_latent, config.sample_width * self.pixels_a_latent

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` of the caption and `unconditional` of the empty one, (tokens, dimension)."""
        pipeline, tokens = self.pipeline, self.network.config.max_text_seq_length
        with torch.no_grad(), exclusive(pipeline.tokenizer):
            device = execution_device(pipeline.text_encoder)
            words, nothing = pipeline.encode_prompt(caption, device=device, max_sequence_length=tokens)
        return {"embedding": words[0], "unconditional": nothing[0]}

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> PromptConditions:
        """The conditions of an encoded clip, a batch of one: the words alone."""
        return PromptConditions(encoded["embedding"][None], unconditional=encoded["unconditional"][None])


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> CogVideoXBase:
    """Loads what diffusers' `CogVideoXPipeline` loads, from a folder or a hub.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or parts do not fit each other.
    """
    return CogVideoXBase(load_pipeline(PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs))


PIPELINES = {PIPELINE: load}
