"""Objective and call of Stable Video Diffusion: v-prediction at levels sigma (ExVideo section 4, EDM table 1).

ExVideo is arXiv 2406.14130, EDM (Karras et al.) arXiv 2206.00364.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.families.objective import check_choice, check_prediction, make_objective, mean_per_clip, per_clip

DISTRIBUTIONS = ("karras", "lognormal")
WEIGHTINGS = ("published", "edm")


def karras_sigmas(n: int = 1000, sigma_min: float = 0.002, sigma_max: float = 700.0, rho: float = 7.0) -> Tensor:
    """Noise levels sigma, (n,) fp32, falling from sigma_max to sigma_min (EDM equation 5)."""
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return ((high + ramp * (low - high)) ** rho).float()


@dataclass(frozen=True)
class SigmaObjective:
    """The published objective and its variants; a level is a sigma. Latents are (batch, frames, channels, ...).

    Args:
        distribution: "karras", uniformly one of 1000 Karras sigmas (ExVideo); or "lognormal" (SVD, EDM).
        mean, std: of ln(sigma), where it is log-normal; SVD's own.
        weighting: of the squared error of the clean latents: "published", sqrt(sigma^2 + 1) / sigma; or "edm", its
            square, 1 / c_out^2.
        target_scale: the answer aims at so many times the latents; 1.01 in the released training code.

    Raises:
        ValueError: a choice is unknown.
    """

    distribution: str = "karras"
    mean: float = 0.7
    std: float = 1.6
    weighting: str = "published"
    target_scale: float = 1.01

    def __post_init__(self) -> None:
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("weighting", self.weighting, WEIGHTINGS)

    def draw(self, generator: torch.Generator, tokens: int) -> Tensor:
        """A sigma, whatever the number of tokens."""
        if self.distribution == "karras":
            sigmas = karras_sigmas()
            return sigmas[torch.randint(len(sigmas), (), generator=generator)]
        return (self.mean + self.std * torch.randn((), generator=generator)).exp()

    def level_at(self, sigma: float) -> Tensor:
        """The sigma itself."""
        return torch.tensor(sigma)

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """c_in (latents + sigma noise) with c_in = 1 / sqrt(sigma^2 + 1); and c_noise = 0.25 ln(sigma), (batch,)."""
        sigma = per_clip(level, latents)
        return (latents + sigma * noise) / (sigma**2 + 1).sqrt(), 0.25 * level.log()

    def original(self, prediction: Tensor, model_input: Tensor, level: Tensor) -> Tensor:
        """-sigma / sqrt(sigma^2 + 1) v + model_input / sqrt(sigma^2 + 1) for the network's v."""
        sigma = per_clip(level, model_input)
        return (model_input.float() - sigma * prediction.float()) / (sigma**2 + 1).sqrt()

    def loss(self, prediction: Tensor, model_input: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The mean of weight (original - target_scale latents)^2 of each clip, (batch,) in fp32."""
        error = (self.original(prediction, model_input, level) - self.target_scale * latents.float()) ** 2
        return mean_per_clip(error * self.weight(per_clip(level, latents)))

    def weight(self, sigma: Tensor) -> Tensor:
        """The weight of a squared error at a noise level."""
        published = (sigma**2 + 1).sqrt() / sigma
        return published if self.weighting == "published" else published**2


def objective(scheduler: Any, **settings: Any) -> SigmaObjective:
    """The published objective, with some settings of `SigmaObjective` changed.

    Raises:
        ValueError: the scheduler does not take the network's output for a v-prediction, or a setting is unknown.
    """
    check_prediction(scheduler, "v_prediction", "Stable Video Diffusion")
    made: SigmaObjective = make_objective(SigmaObjective, settings)
    return made


def call(network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
    """The network's v.

    Args:
        network: a UNetSpatioTemporalConditionModel or a wrapper of one.
        model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
        time: 0.25 ln(sigma), (batch,) or a scalar.
        conditions: `tokens` (batch, tokens, dimension), `first_frame` (batch, channels, height, width), not scaled, and
            `time_ids` (batch, 3): fps - 1, motion bucket, noise augmentation.

    Returns:
        (batch, frames, channels, height, width).
    """
    dtype = model_input.dtype
    first_frame = conditions.first_frame.to(dtype)[:, None].expand(-1, model_input.shape[1], -1, -1, -1)
    v: Tensor = network(
        torch.cat([model_input, first_frame], dim=2),
        time,
        encoder_hidden_states=conditions.tokens.to(dtype),
        added_time_ids=conditions.time_ids,
        return_dict=False,
    )[0]
    return v
