"""Objective and call of AnimateDiff, which predicts the noise at whole timesteps (DDPM, arXiv 2006.11239)."""

from typing import Any

from torch import Tensor

from exvideo_blocks.families.discrete import NoiseObjective
from exvideo_blocks.families.objective import check_prediction, make_objective


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
