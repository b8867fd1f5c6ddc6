"""Objective and call of AnimateDiff, which predicts the noise at whole timesteps (DDPM, arXiv 2006.11239)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.families.objective import check_choice, check_prediction, make_objective, mean_per_clip, per_clip


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


def objective(scheduler: Any, **settings: Any) -> NoiseObjective:
    """Prediction of the noise at the scheduler's timesteps.

    Raises:
        ValueError: the scheduler does not take the network's output for the noise, or a setting is unknown.
    """
    check_prediction(scheduler, "epsilon", "AnimateDiff")
    made: NoiseObjective = make_objective(NoiseObjective, settings, alphas_cumprod=scheduler.alphas_cumprod)
    return made


def call(network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
    """The network's prediction of the noise.

    Args:
        network: a UNetMotionModel or a wrapper of one.
        model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
        time: a timestep, (batch,) or a scalar.
        conditions: `tokens` (batch, tokens, dimension), of the text.

    Returns:
        (batch, frames, channels, height, width).
    """
    tokens = conditions.tokens.to(model_input.dtype).repeat_interleave(model_input.shape[1], dim=0)
    noise: Tensor = network(model_input.transpose(1, 2), time, encoder_hidden_states=tokens, return_dict=False)[0]
    return noise.transpose(1, 2)
