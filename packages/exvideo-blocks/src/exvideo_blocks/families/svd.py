"""Stable Video Diffusion: where its temporal sites are, how they are extended, and the objective it trains under.

Section numbers below are those of ExVideo (arXiv 2406.14130) and EDM (Karras et al., arXiv 2206.00364).
"""

from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_blocks.layers import FrameTable, IdentityConv3d
from exvideo_blocks.levels import LEVELS
from exvideo_blocks.positions import POSITIONS

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig

NAME = "svd"
MODEL_CLASS = "diffusers.UNetSpatioTemporalConditionModel"

# What of the model's config says which weights fit: not the latent size, which any weights of the family take.
_NOT_ARCHITECTURE = {"sample_size"}


# --- where the extension goes ------------------------------------------------------------------------------------


def matches(model: nn.Module) -> bool:
    """True for diffusers' UNetSpatioTemporalConditionModel."""
    from diffusers import UNetSpatioTemporalConditionModel

    return isinstance(model, UNetSpatioTemporalConditionModel)


def base_frames(model: Any) -> int:
    """Frames that the base model was trained at."""
    return int(model.config.num_frames)


def architecture(model: Any) -> dict[str, Any]:
    """The part of the model's config that decides whether an extension's tensors fit, as plain JSON values."""
    config = {name: value for name, value in model.config.items() if not name.startswith("_")}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(config.items())
        if name not in _NOT_ARCHITECTURE
    }


def find_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Every temporal site by its name in the model, in the model's order."""
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    return {name: site for name, site in model.named_modules() if isinstance(site, TransformerSpatioTemporalModel)}


def extended_site(site: Any, config: "ExtensionConfig", known_frames: int) -> nn.Module:
    """An extended stand-in for one temporal site. The site itself is left as it was.

    Frozen submodules are shared with the site; those that the level trains are copies, so that taking the extension
    off gives the original weights back whatever training did.
    """
    from exvideo_blocks.temporal_block import ExtendedTransformerSpatioTemporalModel, TokenMajorTemporalBlock

    level = LEVELS[config.level]
    extended = _same_module_as(ExtendedTransformerSpatioTemporalModel, site)
    blocks = site.temporal_transformer_blocks
    if level.temporal_blocks:
        blocks = deepcopy(blocks)
        extended.time_pos_embed = deepcopy(site.time_pos_embed)
    extended.temporal_transformer_blocks = nn.ModuleList(_same_module_as(TokenMajorTemporalBlock, b) for b in blocks)

    weight = site.proj_in.weight
    ids = POSITIONS[config.positions](known_frames, config.num_frames)
    positions = torch.tensor(ids, device=weight.device)
    extended.frame_table = FrameTable(site.time_proj(positions).to(weight.dtype))
    extended.identity_convs = None
    if level.identity_conv:
        extended.identity_convs = nn.ModuleList(
            IdentityConv3d(site.in_channels, device=weight.device, dtype=weight.dtype) for _ in blocks
        )
    return extended


def _same_module_as(cls: type[nn.Module], module: nn.Module) -> Any:
    """An instance of a subclass of `module`'s class that shares its parameters, buffers and submodules."""
    twin = cls.__new__(cls)
    # Hook and submodule tables are copied, so that mounting on the twin does not reach the original.
    twin.__dict__ = {key: copy(value) if isinstance(value, dict) else value for key, value in vars(module).items()}
    return twin


def adapted_names(site: Any, level_name: str) -> list[str]:
    """Names, within an extended site, of the parameters that the level adapts: what trains and what a file holds."""
    level = LEVELS[level_name]
    prefixes = ["frame_table."]
    if level.identity_conv:
        prefixes.append("identity_convs.")
    if level.temporal_blocks:
        prefixes += ["time_pos_embed.", "temporal_transformer_blocks."]
    return [name for name, _ in site.named_parameters() if name.startswith(tuple(prefixes))]


def is_dead_with_one_token(name: str) -> bool:
    """True for a parameter whose gradient is zero when the model is conditioned on a single token.

    Attention over one token has softmax 1 whatever the query and key are, so nothing before the softmax can learn.
    """
    parts = ("norm2.", "attn2.to_q.", "attn2.to_k.")
    return "temporal_transformer_blocks." in name and any(f".{part}" in name for part in parts)


# --- the objective (ExVideo section 4.1; EDM table 1) --------------------------------------------------------------


def karras_sigmas(n: int = 1000, sigma_min: float = 0.002, sigma_max: float = 700.0, rho: float = 7.0) -> Tensor:
    """Noise levels sigma, (n,) fp32, falling from sigma_max to sigma_min (EDM equation 5)."""
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return ((high + ramp * (low - high)) ** rho).float()


def timestep_of(sigma: Tensor) -> Tensor:
    """The network's time input, 0.25 ln(sigma) (EDM table 1, c_noise)."""
    return 0.25 * sigma.log()


def scale_input(noisy_latents: Tensor, sigma: Tensor) -> Tensor:
    """c_in * x with c_in = 1 / sqrt(sigma^2 + 1); `sigma` must broadcast against the latents."""
    return noisy_latents / (sigma**2 + 1).sqrt()


def predict_original(v: Tensor, model_input: Tensor, sigma: Tensor) -> Tensor:
    """Clean latents from a v-prediction: -sigma / sqrt(sigma^2 + 1) * v + model_input / sqrt(sigma^2 + 1).

    `model_input` is the scaled input of `scale_input`, without the conditioning channels.
    """
    return (model_input - sigma * v) / (sigma**2 + 1).sqrt()


def loss_weight(sigma: Tensor) -> Tensor:
    """sqrt(sigma^2 + 1) / sigma: as published, linear in c_out^-1 where EDM's weight is its square."""
    return (sigma**2 + 1).sqrt() / sigma


def loss(v: Tensor, model_input: Tensor, latents: Tensor, sigma: Tensor, target_scale: float = 1.01) -> Tensor:
    """The published loss of each clip: MSE(predicted original, target_scale * latents) * sqrt(sigma^2 + 1) / sigma.

    Args:
        v: the network's output, (batch, frames, channels, height, width).
        model_input: its scaled input without the conditioning channels, same shape.
        latents: clean latents, same shape.
        sigma: noise level of each clip, (batch, 1, 1, 1, 1).
        target_scale: the released training code aims at 1.01 times the latents.

    Returns:
        (batch,) in fp32.
    """
    original = predict_original(v.float(), model_input.float(), sigma)
    error = (original - target_scale * latents.float()) ** 2
    return (error * loss_weight(sigma)).flatten(1).mean(dim=1)
