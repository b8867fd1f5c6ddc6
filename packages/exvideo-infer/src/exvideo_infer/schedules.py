"""A scheduler of diffusers for one call: a copy of its own, what its steps take, and the clip that it predicts."""

import copy
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from exvideo_infer.generators import Generators

FLOW_SCHEDULER = "FlowMatchEulerDiscreteScheduler"
CANNOT_BEGIN = ("PNDMScheduler",)  # its first steps are of another kind, wherever it begins


class Schedule:
    """The steps of one call. The scheduler that is given stays as it is, so that threads may share it.

    Args:
        scheduler: of diffusers.
        num_inference_steps: of `sigmas` there are so many, where they are given.
        device: of the latents.
        sigmas: noise levels in place of the scheduler's own, falling.
        generator: of what the steps draw, if they draw.
        strength: below 1 only the last part of the noise levels is gone through, in as many steps: for a clip that is
            noised. As `denoising_strength` in the ExVideo authors' DiffSynth-Studio (`ContinuousODEScheduler`): the
            first level stands at 1 - strength of the ramp from the highest to the lowest. Here it is rounded to what
            divides a finer ramp evenly, (num_inference_steps - 1) over a whole number.
        tokens: latents of a clip, frames x height x width, by which some schedulers of flows shift their levels.

    Raises:
        ValueError: the scheduler takes no `sigmas`, or cannot begin from a clip at that strength.
    """

    def __init__(
        self,
        scheduler: Any,
        num_inference_steps: int,
        device: torch.device,
        sigmas: list[float] | None = None,
        generator: Generators = None,
        strength: float = 1.0,
        tokens: int | None = None,
    ) -> None:
        self._scheduler = copy.deepcopy(scheduler)
        self._first = 0  # of the scheduler's timesteps
        self._is_flow = is_flow(scheduler)
        if type(scheduler).__name__ == FLOW_SCHEDULER:
            self._scheduler.set_timesteps(device=device, **_flow_levels(scheduler, num_inference_steps, sigmas, tokens))
        elif sigmas is None:
            self._scheduler.set_timesteps(num_inference_steps, device=device)
        elif "sigmas" in signature(self._scheduler.set_timesteps).parameters:
            self._scheduler.set_timesteps(sigmas=sigmas, device=device)
        else:
            raise ValueError(
                f"sigmas were given, and a {type(scheduler).__name__} takes none: leave them out, or give another "
                "scheduler, such as EulerDiscreteScheduler."
            )
        if strength < 1:
            self._begin_at(strength, num_inference_steps, device)
        draws = "generator" in signature(self._scheduler.step).parameters
        self._arguments = {"generator": generator} if draws else {}
        self._made = 0

    @property
    def timesteps(self) -> Tensor:
        """Those of the evaluations, (evaluations,)."""
        timesteps: Tensor = self._scheduler.timesteps[self._first :]
        return timesteps

    def noisiest(self, noise: Tensor, clean: Tensor | None = None) -> Tensor:
        """The latents to begin with, of standard normal noise; or of clean ones, noised to the first level."""
        if clean is None:
            return noise * self._initial_sigma
        noisy: Tensor = self._scheduler.add_noise(clean, noise, self.timesteps[:1].expand(len(clean)))
        return noisy

    def model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents as the network is given them."""
        if not hasattr(self._scheduler, "scale_model_input"):
            return latents
        scaled: Tensor = self._scheduler.scale_model_input(latents, timestep)
        return scaled

    def step(self, prediction: Tensor, timestep: Tensor, latents: Tensor) -> "Stepped":
        """The next latents, of the network's prediction."""
        sigma = self._sigma(timestep)
        self._made += 1
        made = self._scheduler.step(prediction, timestep, latents, **self._arguments)
        known = getattr(made, "pred_original_sample", getattr(made, "denoised", None))
        if self._is_flow and sigma is not None:
            known = latents - sigma.to(latents) * prediction  # v is noise - latents
        scaled = float(self._initial_sigma) == 1.0
        place = (self._made, len(self.timesteps))
        return Stepped(made.prev_sample, prediction, latents, sigma, scaled, known, place)

    @property
    def _initial_sigma(self) -> Any:
        return getattr(self._scheduler, "init_noise_sigma", 1.0)  # schedulers of flows alone have none

    def _begin_at(self, strength: float, num_inference_steps: int, device: torch.device) -> None:
        kind, config = type(self._scheduler).__name__, self._scheduler.config
        if kind in CANNOT_BEGIN or not hasattr(self._scheduler, "add_noise"):
            raise ValueError(
                f"A {kind} cannot begin from a clip: give strength=1, which begins from noise, or another scheduler, "
                "such as EulerDiscreteScheduler."
            )
        if num_inference_steps < 2:
            raise ValueError(
                f"num_inference_steps is {num_inference_steps}, at strength {strength:g}: give at least 2."
            )
        whole = 1 + round((num_inference_steps - 1) / strength)
        most = config.get("original_inference_steps") or config.num_train_timesteps
        if whole > most:
            least = (num_inference_steps - 1) / (most - 1)
            raise ValueError(
                f"strength is {strength:g}, and in {num_inference_steps} steps of a {kind} the least is {least:.3g}: "
                "give more, or fewer steps."
            )
        evaluations = len(self._scheduler.timesteps)
        self._scheduler.set_timesteps(whole, device=device)
        self._first = len(self._scheduler.timesteps) - evaluations
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(self._first)

    def _sigma(self, timestep: Tensor) -> Tensor | None:
        """The noise level before a step, the noise's deviation where the signal's is 1; None where it is not told."""
        scheduler = self._scheduler
        if getattr(scheduler, "sigmas", None) is not None:
            index = getattr(scheduler, "step_index", None)
            index = getattr(scheduler, "begin_index", None) if index is None else index
            if index is None:
                index = int((scheduler.timesteps == timestep.to(scheduler.timesteps.device)).nonzero()[0])
            sigma: Tensor = scheduler.sigmas[index]
            return sigma
        if not hasattr(scheduler, "alphas_cumprod"):
            return None
        alpha = scheduler.alphas_cumprod[int(timestep)]
        return ((1 - alpha) / alpha).sqrt()


def is_flow(scheduler: Any) -> bool:
    """True if a scheduler takes the network's answer for a flow, noise - latents."""
    return type(scheduler).__name__ == FLOW_SCHEDULER or (
        getattr(getattr(scheduler, "config", None), "prediction_type", None) == "flow_prediction"
    )


def _flow_levels(scheduler: Any, steps: int, sigmas: list[float] | None, tokens: int | None) -> dict[str, Any]:
    """Levels from 1 down in even steps, as LTX-Video's and HunyuanVideo's pipelines give them, and their shift."""
    from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

    config = scheduler.config
    levels = [1 - step / steps for step in range(steps)] if sigmas is None else sigmas
    if not config.use_dynamic_shifting:
        return {"sigmas": levels}
    lengths = (config.base_image_seq_len, config.max_image_seq_len)
    seen = lengths[0] if tokens is None else tokens
    return {"sigmas": levels, "mu": calculate_shift(seen, *lengths, config.base_shift, config.max_shift)}


def evaluations(scheduler: Any, num_inference_steps: int, strength: float = 1.0) -> int:
    """The evaluations of a call: second-order schedulers take two a step. Raises ValueError as `Schedule`."""
    return len(Schedule(scheduler, num_inference_steps, torch.device("cpu"), strength=strength).timesteps)


class Stepped:
    """A step that was made.

    Args:
        latents: the next ones.
        prediction: of the network, a v-prediction.
        before: latents that the step was made from.
        sigma: their noise level.
        scaled: True if their variance is 1 at any level, as in DDIM; else that of the signal is.
        known: the clean latents, where the scheduler tells them.
        place: its number, from 1, and the number of all.
    """

    def __init__(
        self,
        latents: Tensor,
        prediction: Tensor,
        before: Tensor,
        sigma: Tensor | None,
        scaled: bool,
        known: Tensor | None,
        place: tuple[int, int],
    ) -> None:
        self.latents = latents
        number, self.num_timesteps = place
        self.is_last = number == self.num_timesteps
        self._prediction, self._before = prediction, before
        self._sigma, self._scaled, self._known = sigma, scaled, known

    @property
    def pred_original_sample(self) -> Tensor:
        """Clean latents as the network sees them at this step (EDM, arXiv 2206.00364, table 1, of v-prediction).

        Raises:
            ValueError: the scheduler tells neither them nor the noise level.
        """
        if self._known is not None:
            return self._known
        if self._sigma is None:
            raise ValueError("The scheduler tells neither clean latents nor noise levels: give one of diffusers' own.")
        level = self._sigma.to(self._before.device, torch.float32)
        signal = 1 / (level**2 + 1).sqrt()  # of unit variance
        unit = self._before.float() * (1.0 if self._scaled else signal)
        return (signal * unit - level * signal * self._prediction.float()).to(self._before.dtype)
