"""The peer of our trainer: the same training in plain PyTorch, as short and as fast as one writes it for one machine.

Clips stay in memory, noise comes from one generator, and nothing is recorded, checked or made to resume.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class BareLoop:
    """AdamW on fp32 masters, gradient clipping and an EMA, for one clip a step.

    Args:
        unet: the extended model, in fp32.
        parameters: those that train.
        dtype: that the model is to run in.
        sigmas: noise levels, one of which is drawn for each clip.
        learning_rate, weight_decay, max_grad_norm, ema_decay: as in `exvideo_train.config`.
    """

    def __init__(
        self,
        unet: nn.Module,
        parameters: Iterable[nn.Parameter],
        dtype: torch.dtype,
        sigmas: Tensor,
        *,
        learning_rate: float,
        weight_decay: float,
        max_grad_norm: float,
        ema_decay: float,
    ) -> None:
        self.unet = unet
        self.parameters = list(parameters)
        self.sigmas = sigmas
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.masters: list[Tensor] = list(self.parameters)
        if dtype != torch.float32:
            self.masters = [parameter.detach().clone().requires_grad_() for parameter in self.parameters]
            unet.to(dtype)
        self.ema = [master.detach().clone() for master in self.masters]
        self.optimizer = torch.optim.AdamW(self.masters, lr=learning_rate, weight_decay=weight_decay)
        self.generator = torch.Generator().manual_seed(0)

    def step(self, clip: dict[str, Tensor]) -> float:
        """Draws a noise level and noise for a clip, and trains on it; its loss."""
        sigma = self.sigmas[torch.randint(len(self.sigmas), (), generator=self.generator)]
        noise = torch.randn(clip["latents"].shape, generator=self.generator).to(clip["latents"].device)
        return self.train_on(clip, sigma.item(), noise)

    def train_on(self, clip: dict[str, Tensor], sigma: float, noise: Tensor) -> float:
        """One update.

        Args:
            clip: `latents` (1, frames, channels, height, width), `first_frame` (1, channels, height, width),
                `embedding` (1, tokens, dimension), `time_ids` (1, 3).
            sigma: noise level.
            noise: of the shape of the latents.

        Returns:
            The published loss (ExVideo, section 4) before the update.
        """
        loss = self._loss(clip, sigma, noise)
        loss.backward()
        for weight, master in zip(self.parameters, self.masters, strict=True):
            if master is not weight:
                assert weight.grad is not None
                master.grad = weight.grad.float()
        torch.nn.utils.clip_grad_norm_(self.masters, self.max_grad_norm)
        self.optimizer.step()
        for weight, master in zip(self.parameters, self.masters, strict=True):
            if master is not weight:
                weight.data.copy_(master.data)
            weight.grad = master.grad = None
        torch._foreach_lerp_(self.ema, [master.detach() for master in self.masters], 1 - self.ema_decay)
        return float(loss.item())

    @torch.no_grad()
    def evaluate(self, clip: dict[str, Tensor], sigma: float) -> float:
        """The loss at a noise level, with the same noise every time."""
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(clip["latents"].shape, generator=generator).to(clip["latents"].device)
        return float(self._loss(clip, sigma, noise).item())

    def _loss(self, clip: dict[str, Tensor], sigma: float, noise: Tensor) -> Tensor:
        latents = clip["latents"]
        scale = (sigma**2 + 1) ** 0.5
        model_input = (latents + sigma * noise) / scale
        condition = clip["first_frame"][:, None].expand(-1, latents.shape[1], -1, -1, -1)
        unet: Any = self.unet
        v = unet(
            torch.cat([model_input, condition], dim=2).to(unet.dtype),
            torch.full((latents.shape[0],), sigma, device=latents.device).log() / 4,
            encoder_hidden_states=clip["embedding"].to(unet.dtype),
            added_time_ids=clip["time_ids"],
            return_dict=False,
        )[0].float()
        original = (model_input - sigma * v) / scale
        return (original - 1.01 * latents).square().mean() * scale / sigma
