"""The first frame from words: a base's own text-to-image model, or any of diffusers' pipelines in its place.

A base may hold `image_unet/` and `image_scheduler/`, or `text_to_image/unet/` and `text_to_image/scheduler/`: a
network that denoises single latents of the base's temporal VAE (times its scaling factor), conditioned on the base's
text encoder.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoPipelineForText2Image, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from exvideo_infer.bases.base import BaseModelError, base_file, check_is_folder_or_hub_id, loading, variant_of
from exvideo_infer.placement import exclusive, execution_device

IMAGE_PARTS = (("image_unet", "image_scheduler"), ("text_to_image/unet", "text_to_image/scheduler"))


class BaseTextToImage(StableDiffusionPipeline):
    """diffusers' own Stable Diffusion pipeline over a base's networks.

    Args:
        recommended: arguments for a call that leaves them out, set after the networks.
    """

    recommended: Mapping[str, Any]

    @property
    def _execution_device(self) -> torch.device:
        return execution_device(self.unet)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **(dict(self.recommended) | kwargs))


class FrameDecoder(nn.Module):
    """A temporal VAE as an image pipeline sees one: every latent is a clip of one frame."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    @property
    def config(self) -> Any:
        return self.vae.config

    @property
    def device(self) -> torch.device:
        device: torch.device = self.vae.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.vae.dtype
        return dtype

    def decode(self, latents: Tensor, return_dict: bool = False, generator: Any = None) -> tuple[Tensor]:
        """Frames (batch, 3, height, width) in [-1, 1] of latents (batch, channels, height / scale, width / scale)."""
        with exclusive(self.vae):
            return (self.vae.decode(latents.to(execution_device(self.vae), self.dtype), num_frames=1).sample,)


class States(nn.Module):
    """A text encoder as an image pipeline calls it: its last hidden states come first."""

    def __init__(self, text_encoder: Any) -> None:
        super().__init__()
        self.text_encoder = text_encoder

    @property
    def config(self) -> Any:
        return self.text_encoder.config

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.text_encoder.dtype
        return dtype

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor]:
        """Hidden states (batch, tokens, dimension) of tokens (batch, tokens)."""
        given = input_ids.to(execution_device(self.text_encoder))
        return (self.text_encoder(given, attention_mask=attention_mask).last_hidden_state,)


def own_text_to_image(owner: Any, recommended: Mapping[str, Any], progress_bar: Mapping[str, Any]) -> BaseTextToImage:
    """The text-to-image pipeline of a base's own networks.

    Args:
        owner: pipeline with `vae`, `text_encoder`, `tokenizer`, `image_unet` and `image_scheduler`.
        recommended: arguments of a call that leaves them out.
        progress_bar: for tqdm.

    Raises:
        ValueError: the networks do not fit each other.
    """
    _check_fits(owner)
    pipeline = BaseTextToImage(
        vae=FrameDecoder(owner.vae),
        text_encoder=States(owner.text_encoder),
        tokenizer=copy.deepcopy(owner.tokenizer),  # which keeps the padding that it was last asked for
        unet=owner.image_unet,
        scheduler=owner.image_scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.recommended = recommended
    pipeline.set_progress_bar_config(**progress_bar)
    return pipeline


def load_image_parts(
    name: str, dtype: torch.dtype, where: Mapping[str, Any], variant: str | None = None
) -> dict[str, Any]:
    """`image_unet` and `image_scheduler` of a base that has a text-to-image model; nothing of another.

    Args:
        name: folder or hub id. They lie in `text_to_image/`, or in folders of their own names.
        dtype: of the weights.
        where: which of its revisions, in which cache.
        variant: of the weights, where there are some of it.

    Raises:
        BaseModelError: the base has no text encoder.
    """
    for unet, scheduler in IMAGE_PARTS:
        if base_file(name, f"{unet}/config.json", where) is None:
            continue
        if base_file(name, "text_encoder/config.json", where) is None:
            raise BaseModelError(f"{unet}/ of {name} needs a text encoder: add text_encoder/ and tokenizer/.")
        config = base_file(name, f"{scheduler}/scheduler_config.json", where)
        if config is None:
            raise BaseModelError(f"{name} has {unet}/, and no {scheduler}/: copy the base again.")
        kind = getattr(diffusers, json.loads(config.read_text())["_class_name"])
        return {
            "image_unet": UNet2DConditionModel.from_pretrained(
                name,
                subfolder=unet,
                dtype=dtype,
                variant=variant_of(name, f"{unet}/diffusion_pytorch_model", where, variant),
                **where,
            ),
            "image_scheduler": kind.from_pretrained(name, subfolder=scheduler, **where),
        }
    return {}


def load_text_to_image(name: str | Path, torch_dtype: torch.dtype | None = None, **kwargs: Any) -> Any:
    """Any text-to-image pipeline that diffusers knows, such as Stable Diffusion.

    Args:
        name: a folder saved by diffusers, or a hub id.
        torch_dtype: of the weights; float32 if None.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: if it is not there, cannot be read, or makes no images from text.
    """
    check_is_folder_or_hub_id(str(name))
    with loading(str(name)):
        return AutoPipelineForText2Image.from_pretrained(str(name), dtype=torch_dtype or torch.float32, **kwargs)


def _check_fits(owner: Any) -> None:
    for what, has, needs in (
        ("latent channels", owner.image_unet.config.in_channels, owner.vae.config.latent_channels),
        ("cross-attention width", owner.image_unet.config.cross_attention_dim, owner.text_encoder.config.hidden_size),
    ):
        if has != needs:
            raise BaseModelError(
                f"The UNet of first frames has {what} {has}, the base {needs}: give a base whose parts were trained "
                "together."
            )
