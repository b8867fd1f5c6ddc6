"""The denoising loop: from noise to the latents of a clip, along the base model's own scheduler.

    x_in = scheduler.scale_model_input(x, t)
    v    = v_uncond + g_f (v_cond - v_uncond)        guidance, one scale g a frame f
    x    = scheduler.step(v, t, x)

(Stable Video Diffusion, arXiv 2311.15127, appendix D; guidance rises from the first frame to the last.) The network is
asked through its family, so the loop is the same for all.
"""

from collections.abc import Callable
from typing import Any

import torch
from exvideo_blocks import Family, family_of
from torch import Tensor

from exvideo_infer.conditions import Conditions

OnStep = Callable[[int, Tensor, Tensor], Tensor]  # (step, timestep, latents) -> the latents to go on with


def guidance_per_frame(min_guidance_scale: float, max_guidance_scale: float, num_frames: int) -> Tensor:
    """Guidance scales (num_frames,), rising evenly from the first frame to the last.

    Raises:
        ValueError: if a scale is below 1, where guidance would lead away from the image.
    """
    for scale in (min_guidance_scale, max_guidance_scale):
        if not scale >= 1:
            raise ValueError(f"A guidance scale of {scale} was asked for: give at least 1, which is no guidance.")
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
) -> Tensor:
    """Samples latents.

    Args:
        network: of any family, extended or not; or a wrapper of one, such as a training engine, if `family` is given.
        scheduler: of diffusers; its steps are set anew here.
        noise: (batch, frames, ...), standard normal.
        conditions: of the same batch.
        guidance_scale: (frames,). At 1 everywhere, the unconditional half is not computed.
        num_inference_steps: number of network evaluations.
        on_step: called after each step; what it returns takes the place of the latents.
        family: of the network; found by its class if it is not given.
        dtype: that the network computes in; by default the noise's, in which the scheduler computes.

    Returns:
        Latents, of the shape and dtype of `noise`, in the network's scale (the VAE's times its scaling factor).
    """
    family = family or family_of(network)
    guided = bool((guidance_scale != 1).any())
    scale = guidance_scale.to(noise.device, noise.dtype).view(-1, *[1] * (noise.ndim - 2))
    if guided:
        conditions = Conditions.cat([conditions.without(), conditions])

    scheduler.set_timesteps(num_inference_steps, device=noise.device)
    latents: Tensor = noise * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        model_input = scheduler.scale_model_input(latents, timestep)
        if guided:
            model_input = torch.cat([model_input, model_input])
        prediction = family.call(network, model_input.to(dtype or noise.dtype), timestep, conditions).to(noise.dtype)
        if guided:
            unconditional, conditional = prediction.chunk(2)
            prediction = unconditional + scale * (conditional - unconditional)
        latents = scheduler.step(prediction, timestep, latents, return_dict=False)[0]
        if on_step is not None:
            latents = on_step(step, timestep, latents)
    return latents
