"""Wan 2.1 and 2.2: text to video, and of TI2V-5B's shape image to video; loaded, encoded for, and its own pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from exvideo_infer.bases.base import BaseModelError
from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.bases.transformer import (
    TransformerBase,
    denormalized_by,
    load_pipeline,
    normalized_by,
)
from exvideo_infer.conditions import PromptConditions
from exvideo_infer.placement import exclusive, execution_device

PIPELINE, IMAGE_PIPELINE = "WanPipeline", "WanImageToVideoPipeline"
TRANSFORMER = "WanTransformer3DModel"
TEXT_WIDTH = "text_dim"
EXPERTS = ("high_noise", "low_noise")  # of a mixture, `transformer` and `transformer_2`
LATENTS_OF_5B = 48  # channels, of TI2V-5B alone
TOKENS = 512  # of a prompt, as the stock pipelines fill them up with zeros


@dataclass(frozen=True)
class WanBase(TransformerBase):
    """The parts of Wan. Only of TI2V-5B's shape, with a time for each token, can clips begin at a picture.

    Args:
        expert: of a mixture (Wan 2.2 A14B), the one of `EXPERTS` that `network` is; None for the first.
    """

    expert: str | None = None

    DEFAULTS: ClassVar = SamplingDefaults(
        num_inference_steps=50, min_guidance_scale=5.0, max_guidance_scale=5.0, fps=16.0
    )
    SIZE: ClassVar = (480, 832)
    IMAGE_PIPELINE: ClassVar = IMAGE_PIPELINE

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """`DEFAULTS`; of TI2V-5B at 24 frames a second."""
        return self.DEFAULTS.replace(fps=24.0) if self._is_5b else self.DEFAULTS

    @property
    def default_size(self) -> tuple[int, int]:
        """`SIZE`; of TI2V-5B 704x1280."""
        return (704, 1280) if self._is_5b else self.SIZE

    @property
    def _is_5b(self) -> bool:
        return bool(self.pipeline.vae.config.z_dim == LATENTS_OF_5B)

    @property
    def experts(self) -> tuple[str, ...]:
        """`EXPERTS` of a mixture, none of a single network."""
        return EXPERTS if self.pipeline.transformer_2 is not None else ()

    @property
    def networks(self) -> list[Any]:
        """The transformer, or both of a mixture."""
        both = (self.pipeline.transformer, self.pipeline.transformer_2)
        return [one for one in both if one is not None]

    @property
    def network(self) -> Any:
        """The transformer; of a mixture, that of `expert`."""
        return self.networks[EXPERTS.index(self.expert) if self.expert else 0]

    def of_expert(self, name: str) -> Self:
        """The base, of which the network is this expert.

        Raises:
            BaseModelError: it has no such expert.
        """
        if name not in self.experts:
            has = f"has {' and '.join(self.experts)}" if self.experts else "is one network: leave the expert out"
            raise BaseModelError(f"The expert {name!r} was asked for, and this Wan {has}.")
        return replace(self, expert=name)

    @property
    def objective_settings(self) -> dict[str, Any]:
        """That a first frame is given; the noise levels of an expert, which meet at the pipeline's boundary."""
        if self.expert is None:
            return super().objective_settings
        boundary = self.pipeline.config.boundary_ratio
        own = (boundary, 1.0) if self.expert == EXPERTS[0] else (0.0, boundary)
        return super().objective_settings | {"sigma_range": own}

    @property
    def image_pipeline(self) -> Any:
        """`WanImageToVideoPipeline`, where the network takes a time for each token; else None."""
        return super().image_pipeline if self.pipeline.config.expand_timesteps else None

    def image_parts(self) -> dict[str, Any]:
        """Those of the text-to-video pipeline; a first frame is no embedding here."""
        return self.pipeline.components | {"expand_timesteps": True}

    def normalized(self, latents: Tensor) -> Tensor:
        """By the mean and the deviation of each channel."""
        config = self.pipeline.vae.config
        return normalized_by(latents, config.latents_mean, config.latents_std)

    def denormalized(self, latents: Tensor) -> Tensor:
        """By the same."""
        config = self.pipeline.vae.config
        return denormalized_by(latents, config.latents_mean, config.latents_std)

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` of the caption and `unconditional` of the empty one, (tokens, dimension), without the zeros that
        fill them up."""
        pipeline = self.pipeline
        with torch.no_grad(), exclusive(pipeline.tokenizer):
            device = execution_device(pipeline.text_encoder)
            words, nothing = pipeline.encode_prompt(caption, device=device, max_sequence_length=TOKENS)
            return {
                "embedding": words[0, : self._num_tokens(caption)],
                "unconditional": nothing[0, : self._num_tokens("")],
            }

    def _num_tokens(self, prompt: str) -> int:
        from diffusers.pipelines.wan.pipeline_wan import prompt_clean

        return len(self.tokenizer(prompt_clean(prompt), truncation=True, max_length=TOKENS).input_ids)

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> PromptConditions:
        """The conditions of an encoded clip, a batch of one: the words, and its first frame where that is given."""
        first_frame = encoded.get("first_frame")
        return PromptConditions(
            _filled(encoded["embedding"]),
            None if first_frame is None else first_frame[None],
            unconditional=_filled(encoded["unconditional"]),
        )


def _filled(tokens: Tensor) -> Tensor:
    return F.pad(tokens, (0, 0, 0, TOKENS - len(tokens)))[None]


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> WanBase:
    """Loads what diffusers' `WanPipeline` loads, from a folder or a hub: text to video.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or parts do not fit each other.
    """
    return WanBase(load_pipeline(PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs))


def load_image_to_video(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> WanBase:
    """Loads what diffusers' `WanImageToVideoPipeline` loads, of TI2V-5B's shape; arguments and errors as `load`.

    Raises:
        BaseModelError: it has no time for each token, as Wan's other image-to-video models, which read first frames as
            further channels.
    """
    pipeline = load_pipeline(IMAGE_PIPELINE, TRANSFORMER, TEXT_WIDTH, name, torch_dtype, **kwargs)
    if not pipeline.config.expand_timesteps:
        raise BaseModelError(
            f"{name} has no time for each token, so that no first frame can be given clean: give a Wan of TI2V-5B's "
            "shape, whose model_index.json has expand_timesteps; others, which read it as channels, are not known here."
        )
    return WanBase(pipeline, gives_first_frame=True)


PIPELINES = {PIPELINE: load, IMAGE_PIPELINE: load_image_to_video}
