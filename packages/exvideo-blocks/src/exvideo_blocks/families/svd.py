"""Stable Video Diffusion: where its temporal sites are, how they are extended, and the objective it trains under.

Section numbers below are those of ExVideo (arXiv 2406.14130) and EDM (Karras et al., arXiv 2206.00364).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_blocks.families.family import check_class, plain_architecture
from exvideo_blocks.layers import FrameTable, FrozenLinear, IdentityConv3d
from exvideo_blocks.levels import LEVELS, Level
from exvideo_blocks.lora import inject_lora
from exvideo_blocks.positions import POSITIONS
from exvideo_blocks.twins import twin_of, twin_with_own

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig

NAME = "svd"
MODEL_CLASS = "diffusers.UNetSpatioTemporalConditionModel"
PIPELINE_TAG = "image-to-video"

# What of the model's config says which weights fit: not the latent size, which any weights of the family take.
_NOT_ARCHITECTURE = {"sample_size"}

# The attention along frames; attn2 attends to the conditioning.
_SELF_ATTENTIONS = ("attn1",)
_LORA_TARGETS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0")


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
    return plain_architecture(model.config, _NOT_ARCHITECTURE)


def find_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Every temporal site by its name in the model, in the model's order."""
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    return {name: site for name, site in model.named_modules() if isinstance(site, TransformerSpatioTemporalModel)}


def extended_site(site: Any, config: "ExtensionConfig", known_frames: int) -> nn.Module:
    """An extended stand-in for one temporal site. The site itself is left as it was.

    Frozen submodules are shared with the site; those that the level trains are copies, so that taking the extension
    off gives the original weights back whatever training did. It computes the temporal attentions itself, whatever
    attention processor is set, here or later.

    Raises:
        ValueError: the site, a temporal block or its attention processor is of a class that computes something else.
    """
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    from exvideo_blocks.temporal_block import ExtendedTransformerSpatioTemporalModel

    check_class(site, TransformerSpatioTemporalModel)
    level = LEVELS[config.level]
    extended = twin_of(ExtendedTransformerSpatioTemporalModel, site)
    extended.time_pos_embed = twin_with_own(site.time_pos_embed, lambda _: level.blocks)
    if type(site.proj_in) is nn.Linear:
        extended.proj_in = twin_of(FrozenLinear, site.proj_in)
    extended.temporal_transformer_blocks = nn.ModuleList(
        _extended_block(block, level, config.lora_rank) for block in site.temporal_transformer_blocks
    )

    weight = site.proj_in.weight
    ids = POSITIONS[config.positions](known_frames, config.num_frames)
    positions = torch.tensor(ids, dtype=torch.float32, device=weight.device)
    extended.frame_table = FrameTable(site.time_proj(positions).to(weight.dtype))
    extended.identity_convs = None
    if level.identity_conv:
        depthwise = level.identity_conv == "depthwise"
        extended.identity_convs = nn.ModuleList(
            IdentityConv3d(site.in_channels, depthwise=depthwise, device=weight.device, dtype=weight.dtype)
            for _ in site.temporal_transformer_blocks
        )
    return extended


def _extended_block(block: Any, level: Level, lora_rank: int) -> nn.Module:
    from diffusers.models.attention import TemporalBasicTransformerBlock

    from exvideo_blocks.temporal_block import TokenMajorTemporalBlock

    check_class(block, TemporalBasicTransformerBlock)
    for attention in (block.attn1, block.attn2):
        _check_processor(attention)
    own = twin_with_own(block, lambda name: level.trains_in_block(name, _SELF_ATTENTIONS))
    extended = twin_of(TokenMajorTemporalBlock, own)
    if level.lora:
        inject_lora(extended, _LORA_TARGETS, lora_rank)
    return extended


def _check_processor(attention: Any) -> None:
    """Raises ValueError unless the attention's processor is one of diffusers' that compute plain attention."""
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0, XFormersAttnProcessor

    plain = (AttnProcessor, AttnProcessor2_0, XFormersAttnProcessor)
    if attention is not None and type(attention.processor) not in plain:
        raise ValueError(
            f"A temporal attention of this model has a {type(attention.processor).__name__}, but an extended block "
            "computes plain attention itself and would ignore it; call model.set_attn_processor with diffusers' "
            "AttnProcessor2_0() before extending the model."
        )


def adapted_names(site: Any, level_name: str) -> list[str]:
    """Names, within an extended site, of the parameters that the level adapts: what trains and what a file holds."""
    level = LEVELS[level_name]

    def is_adapted(name: str) -> bool:
        part, _, rest = name.partition(".")
        if part == "temporal_transformer_blocks":
            return level.trains_in_block(rest.partition(".")[2], _SELF_ATTENTIONS)
        return part in ("frame_table", "identity_convs") or (part == "time_pos_embed" and level.blocks)

    return [name for name, _ in site.named_parameters() if is_adapted(name)]


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


@dataclass(frozen=True)
class PublishedObjective:
    """The published objective in the form that every family has; a noise level is a sigma.

    Latents are (batch, frames, channels, height, width).
    """

    def noise_levels(self) -> Tensor:
        """1000 Karras sigmas, drawn uniformly (ExVideo section 4)."""
        return karras_sigmas()

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The scaled noisy latents, without the conditioning channels, and 0.25 ln(sigma)."""
        sigma = _per_clip(level)
        return scale_input(latents + sigma * noise, sigma), timestep_of(level)

    def loss(self, prediction: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """`loss` of the v-prediction for `precondition`'s input, (batch,) in fp32."""
        model_input, _ = self.precondition(latents.float(), noise.float(), level)
        return loss(prediction, model_input, latents, _per_clip(level))


def objective(scheduler: Any) -> PublishedObjective:
    """The published objective.

    Raises:
        ValueError: the scheduler does not take the network's output for a v-prediction.
    """
    prediction_type = scheduler.config.prediction_type
    if prediction_type != "v_prediction":
        raise ValueError(
            f"prediction_type={prediction_type!r}, but Stable Video Diffusion predicts v; "
            "pass the scheduler that the base model came with."
        )
    return PublishedObjective()


def _per_clip(level: Tensor) -> Tensor:
    return level.view(-1, 1, 1, 1, 1)
