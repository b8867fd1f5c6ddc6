"""The first frame from words: a base's own text-to-image model, or any of diffusers' pipelines in its place.

A base's folder may hold `text_to_image/unet/` and `text_to_image/scheduler/`: a network that denoises single latents of
the base's temporal VAE (times its scaling factor), conditioned on the base's text encoder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoPipelineForText2Image, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from exvideo_infer.bases.base import BaseModelError, check_is_folder_or_hub_id, loading
from exvideo_infer.bases.svd import SVDBase

FOLDER = "text_to_image"


class BaseTextToImage(StableDiffusionPipeline):
    """diffusers' own Stable Diffusion pipeline over a base's networks.

    Args:
        recommended: arguments for a call that leaves them out, set after the networks.
    """

    recommended: Mapping[str, Any]

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
        return (self.vae.decode(latents.to(self.dtype), num_frames=1).sample,)


def load_own_text_to_image(
    base: SVDBase, torch_dtype: torch.dtype | None, recommended: Mapping[str, Any]
) -> BaseTextToImage | None:
    """The text-to-image model of a base's folder, sharing the base's VAE and text encoder; None if it has none.

    Args:
        base: as `load_base` gave it.
        torch_dtype: of the weights; float32 if None.
        recommended: arguments of a call that leaves them out.

    Raises:
        BaseModelError: if a file cannot be read, or does not fit the base's VAE or text encoder.
    """
    if base.directory is None or not (base.directory / FOLDER).is_dir():
        return None
    folder = base.directory / FOLDER
    if base.text_encoder is None:
        raise BaseModelError(f"{folder} needs a text encoder: add text_encoder/ and tokenizer/ to {base.directory}.")
    with loading(str(folder)):
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch_dtype or torch.float32)
        scheduler = _load_scheduler(folder / "scheduler")
    _check_fits(unet, base, folder)
    pipeline = BaseTextToImage(
        vae=FrameDecoder(base.vae),
        text_encoder=base.text_encoder.text_model,  # that one's first output is the last hidden state
        tokenizer=base.tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.recommended = recommended
    return pipeline


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


def _load_scheduler(folder: Path) -> Any:
    name = json.loads((folder / "scheduler_config.json").read_text())["_class_name"]
    return getattr(diffusers, name).from_pretrained(folder)


def _check_fits(unet: Any, base: SVDBase, folder: Path) -> None:
    assert base.text_encoder is not None
    for what, has, needs in (
        ("latent channels", unet.config.in_channels, base.vae.config.latent_channels),
        ("cross-attention width", unet.config.cross_attention_dim, base.text_encoder.config.hidden_size),
    ):
        if has != needs:
            raise BaseModelError(
                f"The UNet in {folder} has {what} {has}, the base {needs}: give a folder whose parts were trained "
                "together."
            )
