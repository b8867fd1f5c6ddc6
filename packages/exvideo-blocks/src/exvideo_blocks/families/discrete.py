"""Objectives at the whole timesteps of a schedule: the noise (DDPM), and v."""

from dataclasses import dataclass

import torch
from torch import Tensor

from exvideo_blocks.families.objective import check_choice, mean_per_clip, per_clip


@dataclass(frozen=True)
class NoiseObjective:
    """Noise at whole timesteps of a schedule, which the network predicts (DDPM equation 14); a level is a timestep.

    Args:
        alphas_cumprod: (timesteps,), the share of signal variance at each.
        distribution: "discrete", uniformly one of the timesteps.

    Raises:
        ValueError: the distribution is another.
    """

    alphas_cumprod: Tensor
    distribution: str = "discrete"

    def __post_init__(self) -> None:
        check_choice("distribution", self.distribution, ("discrete",))

    def draw(self, generator: torch.Generator, tokens: int) -> Tensor:
        """A timestep, whatever the number of tokens."""
        return torch.randint(len(self.alphas_cumprod), (), generator=generator)

    def level_at(self, sigma: float) -> Tensor:
        """The timestep whose sqrt((1 - alpha) / alpha) is nearest, by its logarithm."""
        sigmas = (1 / self.alphas_cumprod.double() - 1).sqrt()
        return (sigmas / sigma).log().abs().argmin()

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alpha) latents + sqrt(1 - alpha) noise, and the timesteps as they are."""
        signal, spread = self._scales(level, latents)
        return signal * latents + spread * noise, level

    def original(self, prediction: Tensor, model_input: Tensor, level: Tensor) -> Tensor:
        """(model_input - sqrt(1 - alpha) prediction) / sqrt(alpha) (DDPM equation 15)."""
        signal, spread = self._scales(level, model_input)
        return (model_input.float() - spread * prediction.float()) / signal

    def loss(self, prediction: Tensor, model_input: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Mean squared error of the predicted noise of each clip, (batch,) in fp32."""
        return mean_per_clip((prediction.float() - noise.float()).square())

    def _scales(self, level: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        alpha = per_clip(self.alphas_cumprod.to(level.device)[level], latents)
        return alpha.sqrt(), (1 - alpha).sqrt()


@dataclass(frozen=True)
class VelocityObjective(NoiseObjective):
    """v = sqrt(alpha) noise - sqrt(1 - alpha) latents, which the network predicts (arXiv 2202.00512, appendix D).

    At a timestep without any signal (arXiv 2305.08891), v is minus the latents.
    """

    def original(self, prediction: Tensor, model_input: Tensor, level: Tensor) -> Tensor:
        """sqrt(alpha) model_input - sqrt(1 - alpha) v."""
        signal, spread = self._scales(level, model_input)
        return signal * model_input.float() - spread * prediction.float()

    def loss(self, prediction: Tensor, model_input: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Mean squared error of v of each clip, (batch,) in fp32."""
        signal, spread = self._scales(level, latents)
        velocity = signal * noise.float() - spread * latents.float()
        return mean_per_clip((prediction.float() - velocity).square())
