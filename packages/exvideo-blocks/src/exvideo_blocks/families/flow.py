"""The objective of flow matching (arXiv 2210.02747, rectified flow 2209.03003), with the shift of its noise levels."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from exvideo_blocks.families.objective import check_choice, make_objective, mean_per_clip, per_clip

DISTRIBUTIONS = ("uniform", "logitnormal")


@dataclass(frozen=True)
class ShiftByTokens:
    """A shift that grows with the tokens of a clip: its logarithm is linear in their number (SD3, arXiv 2403.03206).

    Args:
        base_tokens, max_tokens: two numbers of tokens.
        base_shift, max_shift: logarithms of the shift there.
        is_exponential: False where the two are shifts themselves, not their logarithms.
    """

    base_tokens: int
    max_tokens: int
    base_shift: float
    max_shift: float
    is_exponential: bool = True

    def at(self, tokens: int) -> float:
        """The shift of a clip."""
        slope = (self.max_shift - self.base_shift) / (self.max_tokens - self.base_tokens)
        value = self.base_shift + slope * (tokens - self.base_tokens)
        return math.exp(value) if self.is_exponential else value


@dataclass(frozen=True)
class FlowObjective:
    """Noise and clean latents mixed by a level sigma from 0 to 1; the network predicts their difference.

        input = (1 - sigma) latents + sigma noise;   v = noise - latents;   time = timesteps sigma

    Args:
        timesteps: the network's time at sigma 1.
        shift: sigma = s u / (1 + (s - 1) u) for u as it is drawn; more noise for s > 1.
        by_tokens: the shift of each clip, in place of `shift`.
        distribution: of u: "uniform", or "logitnormal", a logistic function of a standard normal number.
        given_frames: latent frames at the start of each clip that are given clean, as the first one in some
            image-to-video models: noise is in the others alone, time is one a latent frame, and only those are judged.
        sigma_range: levels of the network, from and to: those of an expert of a mixture, else all.

    Raises:
        ValueError: the distribution is unknown, the shift is not above 0, fewer than 0 frames are given, or the range
            is none.
    """

    timesteps: int
    shift: float = 1.0
    by_tokens: ShiftByTokens | None = None
    distribution: str = "uniform"
    given_frames: int = 0
    sigma_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        if not self.shift > 0:
            raise ValueError(f"shift={self.shift} must be above 0: 1 shifts nothing, 3 to 7 are usual.")
        if self.given_frames < 0:
            raise ValueError(f"given_frames={self.given_frames} must be at least 0: 1 gives the first frame clean.")
        if not 0 <= self.sigma_range[0] < self.sigma_range[1] <= 1:
            raise ValueError(f"sigma_range={self.sigma_range} is no range of levels: give two of 0 to 1 that rise.")

    def shift_at(self, tokens: int) -> float:
        """The shift of a clip of so many tokens."""
        return self.shift if self.by_tokens is None else self.by_tokens.at(tokens)

    def draw(self, generator: torch.Generator, tokens: int) -> Tensor:
        """A sigma of the range, shifted."""
        shift = self.shift_at(tokens)
        low, high = (sigma / (shift - (shift - 1) * sigma) for sigma in self.sigma_range)  # as they are drawn
        if self.distribution == "uniform":
            drawn = low + (high - low) * torch.rand((), generator=generator)
        elif (low, high) == (0, 1):
            drawn = torch.randn((), generator=generator).sigmoid()
        else:
            drawn = _logitnormal_between(low, high, generator)
        return shift * drawn / (1 + (shift - 1) * drawn)

    def level_at(self, sigma: float) -> Tensor:
        """sigma / (1 + sigma), as the clean latents have a weight of their own.

        Raises:
            ValueError: it is out of the network's range.
        """
        level, (low, high) = sigma / (1 + sigma), self.sigma_range
        if not low <= level <= high:
            least, most = low / (1 - low), high / (1 - high) if high < 1 else math.inf
            raise ValueError(
                f"sigma={sigma:g} is a noise level that this network, an expert of others, is not asked at: give "
                f"{least:.3g} to {most:.3g}."
            )
        return torch.tensor(level)

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """(1 - sigma) latents + sigma noise; and time, (batch,), or (batch, frames) where frames are given clean."""
        sigma = self._of_frames(level, latents)
        mixed = per_clip(sigma, latents)
        return (1 - mixed) * latents + mixed * noise, self.timesteps * sigma

    def original(self, prediction: Tensor, model_input: Tensor, level: Tensor) -> Tensor:
        """model_input - sigma v."""
        sigma = per_clip(self._of_frames(level, model_input), model_input)
        return model_input.float() - sigma * prediction.float()

    def loss(self, prediction: Tensor, model_input: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Mean squared error of v in the frames that are not given, (batch,) in fp32."""
        error = (prediction.float() - (noise.float() - latents.float())).square()
        return mean_per_clip(error, self.given_frames)

    def _of_frames(self, level: Tensor, latents: Tensor) -> Tensor:
        """Sigma of each clip, or of each latent frame: 0 of one that is given."""
        if not self.given_frames:
            return level
        is_noisy = torch.arange(latents.shape[1], device=level.device) >= self.given_frames
        return level[:, None] * is_noisy


def _logitnormal_between(low: float, high: float, generator: torch.Generator) -> Tensor:
    """A logistic function of a standard normal number, of those from low to high."""
    edges = torch.special.ndtr(torch.logit(torch.tensor([low, high], dtype=torch.float64)))
    share = edges[0] + (edges[1] - edges[0]) * torch.rand((), generator=generator, dtype=torch.float64)
    return torch.special.ndtri(share).sigmoid().float()


def flow_objective(scheduler: Any, family: str, settings: dict[str, Any]) -> FlowObjective:
    """Flow matching as a scheduler of diffusers samples it, with its shift unless the settings have one.

    Args:
        scheduler: FlowMatchEulerDiscreteScheduler, or a multistep one that samples a flow.
        family: the family in words, for the error.
        settings: `shift`, `distribution`, `given_frames` and `sigma_range` of `FlowObjective`, by name.

    Raises:
        ValueError: the scheduler does not take the network's answer for a flow, or a setting is unknown.
    """
    config = scheduler.config
    by_tokens = None
    if getattr(config, "prediction_type", None) == "flow_prediction" and config.get("use_flow_sigmas"):
        shift = float(config.flow_shift)
    elif type(scheduler).__name__ == "FlowMatchEulerDiscreteScheduler":
        shift = float(config.shift)
        if config.use_dynamic_shifting and settings.get("shift") is None:
            by_tokens = ShiftByTokens(
                config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift,
                is_exponential=config.time_shift_type == "exponential",
            )  # fmt: skip
    else:
        raise ValueError(
            f"The scheduler, a {type(scheduler).__name__}, samples no flow, which {family} models predict: give the "
            "scheduler that the base model came with."
        )
    own = {"timesteps": config.num_train_timesteps, "by_tokens": by_tokens}
    made: FlowObjective = make_objective(FlowObjective, {"shift": shift} | _given(settings), **own)
    return made


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def with_first_frame(model_input: Tensor, time: Tensor, first_frame: Tensor) -> tuple[Tensor, Tensor]:
    """The input with clean latents in its first frame, and a time for each frame, (batch, frames), 0 of that one.

    Args:
        model_input: (batch, frames, ...).
        time: (batch,), (batch, frames) or a scalar.
        first_frame: (batch, ...).
    """
    by_frame = time.expand(model_input.shape[0])[:, None] if time.ndim < 2 else time
    is_noisy = torch.arange(model_input.shape[1], device=time.device) > 0
    latents = torch.cat([first_frame.to(model_input)[:, None], model_input[:, 1:]], dim=1)
    return latents, by_frame * is_noisy
