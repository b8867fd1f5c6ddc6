"""The interface between a family and its trainer: noise levels, the network's input, the loss of its answer."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """The way a model is asked at a noise level, and its answer judged.

    Latents are (batch, frames, ...) in every family; `Family.call` knows the layout of its network. A level is whatever
    the family calls so (a sigma, a timestep), one a clip: (batch,). Where frames of a clip are given clean, as the
    first one is in some image-to-video models, the objective itself leaves them so, and out of its loss.
    """

    def draw(self, generator: torch.Generator, tokens: int) -> Tensor:
        """One noise level as training draws it, a scalar.

        Args:
            generator: of the CPU; nothing else may draw.
            tokens: latents of the clip, frames x height x width: some families shift their levels by it.
        """
        ...

    def level_at(self, sigma: float) -> Tensor:
        """The level, a scalar, at which noise has `sigma` times the weight of the clean latents."""
        ...

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The network's input and time.

        Args:
            latents: clean latents, (batch, frames, ...).
            noise: standard normal, same shape.
            level: (batch,).

        Returns:
            The input, of the latents' shape, without conditioning channels; the time, one a clip, (batch,), or more
            finely, (batch, frames) or one a token, where the family's network takes it so.
        """
        ...

    def original(self, prediction: Tensor, model_input: Tensor, level: Tensor) -> Tensor:
        """The clean latents that an answer of the network to an input stands for, fp32."""
        ...

    def loss(self, prediction: Tensor, model_input: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The loss of each clip, (batch,) in fp32."""
        ...


def per_clip(level: Tensor, latents: Tensor) -> Tensor:
    """Numbers (batch, ...) with axes of length 1 behind them, as many as they need to broadcast against latents."""
    return level.view(*level.shape, *[1] * (latents.ndim - level.ndim))


def mean_per_clip(error: Tensor, given_frames: int = 0) -> Tensor:
    """The mean of (batch, frames, ...) over each clip, (batch,).

    Args:
        error: of each latent.
        given_frames: frames at the start that are given clean and so not judged.
    """
    return error[:, given_frames:].flatten(1).mean(dim=1)


def check_prediction(scheduler: Any, predicts: str, family: str) -> None:
    """Raises ValueError unless the scheduler takes the network's answer for what the family's models predict.

    Args:
        scheduler: the diffusers scheduler that the base model samples with.
        predicts: the family's `prediction_type`, in diffusers' words.
        family: the family in words, for the error.
    """
    found = getattr(scheduler.config, "prediction_type", None)
    if found != predicts:
        raise ValueError(
            f"The scheduler, a {type(scheduler).__name__}, has prediction_type={found!r}, but {family} models predict "
            f"{predicts!r}: give the scheduler that the base model came with."
        )


def make_objective(kind: Any, settings: Mapping[str, Any], **own: Any) -> Any:
    """An objective of a dataclass `kind`.

    Args:
        kind: its fields are its settings.
        settings: the caller's, by name; None stands for nothing given.
        own: fields that are not the caller's to set.

    Raises:
        ValueError: a setting is given that `kind` does not have, or `kind` refuses its value.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    known = [field.name for field in fields(kind) if field.name not in own]
    for name, value in given.items():
        if name not in known:
            has = ", ".join(known) or "none"
            raise ValueError(f"{name}={value!r} is no setting of this model's objective: it has {has}.")
    return kind(**own, **given)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ValueError if a setting is none of its choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown to this model's objective: choose one of {', '.join(choices)}.")
