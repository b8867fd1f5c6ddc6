"""HunyuanVideo: text to video; loaded, encoded for, and its own pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.bases.transformer import TransformerBase, load_pipeline
from exvideo_infer.conditions import PromptConditions
from exvideo_infer.placement import exclusive, execution_device

PIPELINE = "HunyuanVideoPipeline"
TRANSFORMER = "HunyuanVideoTransformer3DModel"
TEXT_WIDTH = "text_embed_dim"


@dataclass(frozen=True)
class HunyuanVideoConditions(PromptConditions):
    """The conditions of HunyuanVideo, whose guidance is a number that the network is told, and no second answer.

    Args:
        pooled: (batch, dimension), of the text as a whole.
        unconditional_pooled: the same of the empty prompt.
        guidance: (batch,); 1, without any, in training, where the target is the clip itself.
    """

    pooled: Tensor | None = None
    unconditional_pooled: Tensor | None = None
    guidance: Tensor | None = None

    def without(self) -> Self:
        """The conditions of the empty prompt."""
        return replace(super().without(), pooled=self.unconditional_pooled)

    def told_guidance(self, scale: float) -> Self:
        """These conditions at another guidance."""
        return replace(self, guidance=torch.full_like(self.tokens[:, 0, 0], scale))


class HunyuanVideoBase(TransformerBase):
    """The parts of HunyuanVideo."""

    DEFAULTS: ClassVar = SamplingDefaults(
        num_inference_steps=50, min_guidance_scale=6.0, max_guidance_scale=6.0, fps=24.0
    )
    SIZE: ClassVar = (720, 1280)
    ENCODERS: ClassVar = ("vae", "text_encoder", "text_encoder_2")

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """The configurations of the encoders, and the second one's tokenizer."""
        tokenizer = self.pipeline.tokenizer_2.backend_tokenizer.to_str()
        rules = tokenizer.partition('"added_tokens"')[2]  # without truncation and padding, which calls leave behind
        return super().encoding_settings | {"tokenizer_2": sha256(rules.encode()).hexdigest()}

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` (tokens, dimension) of the caption, its `mask` (tokens,) and `pooled` (dimension,); and the same
        of the empty one."""
        pipeline = self.pipeline
        with torch.no_grad(), exclusive(pipeline.tokenizer), exclusive(pipeline.tokenizer_2):
            device = execution_device(pipeline.text_encoder)
            words, pooled, mask = pipeline.encode_prompt(caption, device=device)
            nothing, nothing_pooled, nothing_mask = pipeline.encode_prompt("", device=device)
        return {
            "embedding": words[0], "mask": mask[0], "pooled": pooled[0], "unconditional": nothing[0],
            "unconditional_mask": nothing_mask[0], "unconditional_pooled": nothing_pooled[0],
        }  # fmt: skip

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> HunyuanVideoConditions:
        """The conditions of an encoded clip, a batch of one: the words, at guidance 1."""
        return HunyuanVideoConditions(
            encoded["embedding"][None],
            unconditional=encoded["unconditional"][None],
            tokens_mask=encoded["mask"][None],
            unconditional_mask=encoded["unconditional_mask"][None],
            pooled=encoded["pooled"][None],
            unconditional_pooled=encoded["unconditional_pooled"][None],
            guidance=torch.ones(1),
        )


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> HunyuanVideoBase:
    """Loads what diffusers' `HunyuanVideoPipeline` loads, from a folder or a hub.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or parts do not fit each other.
    """
    return HunyuanVideoBase(load_pipeline(PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs))


PIPELINES = {PIPELINE: load}
