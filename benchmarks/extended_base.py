"""A random base with a random extension, for the benchmarks that run the whole network."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, extend

from benchmarks.conditions import Conditions
from tiny_world.small_base import build_components


@dataclass(frozen=True)
class Size:
    """A network; the base has 8 frames. `latent_size`: height and width of the latents, a quarter of the pixels."""

    unet_channels: tuple[int, ...] = (32, 64, 64)
    num_frames: int = 40
    latent_size: int = 16
    attention_head_dim: int = 16
    num_inference_steps: int = 4

    def protocol(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"unet_channels": list(self.unet_channels)}


SIZES = {
    "cpu": Size(),
    "cuda": Size((320, 640, 1280), latent_size=64, attention_head_dim=64, num_inference_steps=25),
}


def components(conditions: Conditions, size: Size) -> dict[str, Any]:
    """The parts of a pipeline: the same weights at every call."""
    parts = build_components(
        seed=0,
        unet_channels=size.unet_channels,
        sample_size=size.latent_size,
        attention_head_dim=size.attention_head_dim,
    )
    for name in ("unet", "vae", "image_encoder"):
        parts[name].to(conditions.torch_device).requires_grad_(False)
    return parts


def extend_at_random(unet: Any, num_frames: int) -> None:
    """Mounts an extension whose every parameter differs from what it starts as: no zeros, no identity."""
    extension = extend(unet, ExtensionConfig(num_frames))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.02 * noise.to(parameter))
            parameter.requires_grad_(False)


def cast(parts: dict[str, Any], dtype: torch.dtype) -> None:
    """Casts the networks, where they are not of that dtype already."""
    for name in ("unet", "vae", "image_encoder"):
        if parts[name].dtype != dtype:
            parts[name].to(dtype)


def networks_of_svd() -> tuple[Any, Any]:
    """UNet and VAE of Stable Video Diffusion's true size, on the meta device."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(num_attention_heads=(5, 10, 20, 20), num_frames=25)
        vae = AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
        )
    return unet, vae
