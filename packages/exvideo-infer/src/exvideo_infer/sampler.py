"""The denoising loop: from noise to the latents of a clip, along the base model's own scheduler.

    x_in = scheduler.scale_model_input(x, t)
    v    = v_uncond + g_f (v_cond - v_uncond)        guidance, one scale g a frame f
    x    = scheduler.step(v, t, x)

(Stable Video Diffusion, arXiv 2311.15127, appendix D; guidance rises from the first frame to the last.) The network is
asked through its family, so the loop is the same for all.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

import torch
from exvideo_blocks import Family, family_of
from torch import Tensor

from exvideo_infer.conditions import Conditions
from exvideo_infer.generators import Generators
from exvideo_infer.schedules import Schedule, Stepped

OnStep = Callable[[int, Tensor, Tensor], Tensor]  # (step, timestep, latents) -> the latents to go on with
OnPrediction = Callable[[int, Tensor, Stepped], Tensor]  # the same of all that a step gives


class NotFiniteError(ValueError):
    """Latents or frames are not finite: nothing that comes after could be."""


def guidance_per_frame(min_guidance_scale: float, max_guidance_scale: float, num_frames: int) -> Tensor:
    """Guidance scales (num_frames,), rising evenly from the first frame to the last.

    Raises:
        ValueError: if a scale is below 1, where guidance would lead away from the image, or not finite.
    """
    for scale in (min_guidance_scale, max_guidance_scale):
        if not (scale >= 1 and isfinite(scale)):
            raise ValueError(
                f"A guidance scale of {scale} was asked for: give at least 1, which is no guidance, and a finite one."
            )
    return torch.linspace(min_guidance_scale, max_guidance_scale, num_frames)


@torch.no_grad()
def denoise(
    network: Any,
    scheduler: Any,
    noise: Tensor,
    conditions: Conditions,
    guidance_scale: Tensor,
    num_inference_steps: int,
    on_step: OnStep | None = None,
    *,
    family: Family | None = None,
    dtype: torch.dtype | None = None,
    unconditional: Conditions | None = None,
    guidance_batched: bool = True,
    sigmas: list[float] | None = None,
    generator: Generators = None,
    on_prediction: OnPrediction | None = None,
    clean: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Samples latents.

    Args:
        network: of any family, extended or not; or a wrapper of one, such as a training engine, if `family` is given.
        scheduler: of diffusers; a copy of it is used, so that it stays as it is.
        noise: (batch, frames, ...), standard normal.
        conditions: of the same batch.
        guidance_scale: (frames,). At 1 everywhere, the unconditional half is not computed. A network that is told its
            guidance is told the largest of these.
        num_inference_steps: number of network evaluations, of a scheduler of first order.
        on_step: called after each step; what it returns takes the place of the latents.
        family: of the network; found by its class if it is not given.
        dtype: that the network computes in; by default the noise's, in which the scheduler computes.
        unconditional: what guidance leads away from; the conditions without anything, if it is not given.
        guidance_batched: False asks the network twice for half as many clips: half the activations.
        sigmas: noise levels in place of the scheduler's own.
        generator: of what ancestral schedulers draw at each step.
        on_prediction: called as `on_step`, with the clean latents that were predicted as well.
        clean: latents of a clip to begin from, of the noise's shape; at strength 1 nothing is left of them.
        strength: of the noise that is put on them, as `exvideo_infer.schedules.Schedule` explains.

    Returns:
        Latents, of the shape and dtype of `noise`, in the network's scale; frames that the conditions give are those.

    Raises:
        NotFiniteError: latents are not finite after a step.
        ValueError: the scheduler takes no `sigmas`, or cannot begin at that strength.
    """
    family = family or family_of(network)
    told = conditions.told_guidance(float(guidance_scale.max()))
    conditions, guided = (conditions, bool((guidance_scale != 1).any())) if told is None else (told, False)
    scale = guidance_scale.to(noise.device, noise.dtype).view(-1, *[1] * (noise.ndim - 2))
    halves = [conditions.without() if unconditional is None else unconditional, conditions] if guided else [conditions]
    if guidance_batched:
        halves = [Conditions.cat(halves)]
    copies = 2 if guided and guidance_batched else 1

    tokens = noise[0].numel() // noise.shape[2]
    schedule = Schedule(scheduler, num_inference_steps, noise.device, sigmas, generator, strength, tokens)
    latents = schedule.noisiest(noise, clean if strength < 1 else None)
    for step, timestep in enumerate(schedule.timesteps):
        model_input = schedule.model_input(torch.cat([latents] * copies) if copies > 1 else latents, timestep)
        model_input = model_input.to(dtype or noise.dtype)
        answers = [family.call(network, model_input, timestep, half).to(noise.dtype) for half in halves]
        prediction = answers[-1]
        if guided:
            without, given = answers[0].chunk(2) if guidance_batched else answers
            prediction = without + scale * (given - without)
        stepped = schedule.step(prediction, timestep, latents)
        latents = stepped.latents
        if on_step is not None:
            latents = on_step(step, timestep, latents)
        if on_prediction is not None:
            latents = on_prediction(step, timestep, stepped)
        check_finite(latents, f"step {step + 1} of {len(schedule.timesteps)}", dtype or noise.dtype)
    return conditions.with_given(latents)


def check_finite(tensor: Tensor, where: str, dtype: torch.dtype) -> None:
    """Raises NotFiniteError, with the way out, if a value is infinite or no number.

    Args:
        where: in words.
        dtype: that was computed in.
    """
    if not torch.isfinite(tensor).all():
        wider = "bfloat16 or float32" if dtype == torch.float16 else "float32"
        way = f"compute in {wider}" if dtype != torch.float32 else "give finite inputs, or weights that are whole"
        raise NotFiniteError(f"Values are not finite at {where}, in {str(dtype).removeprefix('torch.')}: {way}.")
