"""TimeNoise (Zhao et al., arXiv 2406.15735, section 3.3): the noisier a clip is, the more noise its first frame has.

An image-to-video network that sees a clean first frame beside a clip of nothing but noise learns to repeat that frame.
As in the authors' code for Stable Video Diffusion, the noise is put on latents, and the network is told its strength.
"""

from dataclasses import replace

import torch
from exvideo_infer import Conditions
from torch import Tensor

from exvideo_train.config import TimeNoiseSection


def strength_of(level: Tensor, section: TimeNoiseSection, generator: torch.Generator) -> Tensor:
    """The standard deviation of the noise for a clip's noise level, a scalar in (0, maximum).

    Args:
        level: of the clip, a scalar; t is its share of the highest, 1 at most.
        section: of the distribution: maximum times the logistic function of a normal number of mean 2 t^exponent - 1.
        generator: of the normal number.
    """
    t = (level / section.highest_level).clamp(max=1.0)
    centre = 2 * t**section.exponent - 1
    return section.maximum * torch.sigmoid(centre + section.std * torch.randn((), generator=generator))


def with_time_noise(
    conditions: Conditions, level: Tensor, section: TimeNoiseSection, generator: torch.Generator
) -> Conditions:
    """The conditions of a clip, a batch of one, with noise on the latents of its first frame, and told how much.

    Args:
        conditions: with `first_frame` and `time_ids`.
        level: of the clip's own noise, a scalar.
        section: `maximum` is above 0.
        generator: of the strength, then of the noise.
    """
    assert conditions.first_frame is not None  # as a base without them refuses the section
    assert conditions.time_ids is not None
    strength = strength_of(level, section, generator)
    noise = torch.randn(conditions.first_frame.shape, generator=generator)
    told = torch.cat([conditions.time_ids[:, :2], strength.expand(1, 1)], dim=1)
    return replace(conditions, first_frame=conditions.first_frame + strength * noise, time_ids=told)
