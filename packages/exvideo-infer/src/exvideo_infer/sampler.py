"""The denoising loop: from noise to the latents of a clip, along the base model's own scheduler.

    x_in = [x / sqrt(sigma^2 + 1), first frame]      scale_model_input, then the channels that are not noisy
    v    = v_uncond + g_f (v_cond - v_uncond)        guidance, one scale g a frame f
    x    = scheduler.step(v, t, x)

(Stable Video Diffusion, arXiv 2311.15127, appendix D; guidance rises from the first frame to the last.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import EulerDiscreteScheduler, UNetSpatioTemporalConditionModel

OnStep = Callable[[int, Tensor, Tensor], Tensor]  # (step, timestep, latents) -> the latents to go on with


@dataclass(frozen=True)
class Conditions:
    """What a batch of clips is conditioned on, as `exvideo_infer.conditioning` makes it.

    Args:
        embeddings: (batch, tokens, cross_attention_dim): of the image, and of the text in a base that reads it.
        image_latents: (batch, channels, height, width), the first frame's, not scaled.
        added_time_ids: (batch, 3).
    """

    embeddings: Tensor
    image_latents: Tensor
    added_time_ids: Tensor

    def with_unconditional(self) -> Conditions:
        """The batch twice: first without image and text (zeros, as they are dropped in training), then as it is."""
        return Conditions(
            torch.cat([torch.zeros_like(self.embeddings), self.embeddings]),
            torch.cat([torch.zeros_like(self.image_latents), self.image_latents]),
            torch.cat([self.added_time_ids, self.added_time_ids]),
        )


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
    unet: UNetSpatioTemporalConditionModel,
    scheduler: EulerDiscreteScheduler,
    noise: Tensor,
    conditions: Conditions,
    guidance_scale: Tensor,
    num_inference_steps: int,
    on_step: OnStep | None = None,
) -> Tensor:
    """Samples latents.

    Args:
        unet: the network, extended or not.
        scheduler: its steps are set anew here.
        noise: (batch, frames, channels, height, width), standard normal.
        conditions: of the same batch.
        guidance_scale: (frames,). At 1 everywhere, the unconditional half is not computed.
        num_inference_steps: number of network evaluations.
        on_step: called after each step; what it returns takes the place of the latents.

    Returns:
        Latents, of the shape and dtype of `noise`, in the network's scale (the VAE's times its scaling factor).
    """
    guided = bool((guidance_scale != 1).any())
    scale = guidance_scale.to(noise.device, noise.dtype)[:, None, None, None]
    if guided:
        conditions = conditions.with_unconditional()
    first_frame = conditions.image_latents.unsqueeze(1).expand(-1, noise.shape[1], -1, -1, -1)

    scheduler.set_timesteps(num_inference_steps, device=noise.device)
    latents: Tensor = noise * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        model_input = scheduler.scale_model_input(latents, timestep)
        if guided:
            model_input = torch.cat([model_input, model_input])
        prediction = unet(
            torch.cat([model_input, first_frame], dim=2),
            timestep,
            encoder_hidden_states=conditions.embeddings,
            added_time_ids=conditions.added_time_ids,
            return_dict=False,
        )[0]
        if guided:
            unconditional, conditional = prediction.chunk(2)
            prediction = unconditional + scale * (conditional - unconditional)
        latents = scheduler.step(prediction, timestep, latents, return_dict=False)[0]
        if on_step is not None:
            latents = on_step(step, timestep, latents)
    return latents
