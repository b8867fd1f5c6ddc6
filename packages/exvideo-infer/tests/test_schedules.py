"""Schedules that begin from a clip, by every scheduler that a Stable Video Diffusion base can be sampled with."""

import math
from typing import Any

import diffusers
import pytest
import torch
from exvideo_infer.schedules import CANNOT_BEGIN, Schedule

CPU = torch.device("cpu")
DETERMINISTIC = ("DDIMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "EDMEulerScheduler")
DETERMINISTIC += ("DPMSolverSinglestepScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler")
DETERMINISTIC += ("KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "UniPCMultistepScheduler")
DRAWING = ("DDPMScheduler", "EulerAncestralDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "LCMScheduler")
DRAWING += ("TCDScheduler",)
SVD = {"use_karras_sigmas": True, "sigma_min": 0.002, "sigma_max": 700.0, "timestep_type": "continuous"}
MEAN, SPREAD = 1.5, 0.5  # of the clips that the network below knows


def scheduler_of(name: str, **options: Any) -> Any:
    kind = getattr(diffusers, name)
    if name == "DDIMScheduler":
        options["clip_sample"] = False  # which would cut off what is beyond 1
    try:
        return kind(prediction_type="v_prediction", **options)
    except TypeError:
        return kind(**options)


def made_from(schedule: Schedule, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Samples with a network that knows normally distributed clips exactly: E[x | noisy] is linear in the noisy."""
    latents, scheduler = schedule.noisiest(noise, clean), schedule._scheduler
    scaled = float(scheduler.init_noise_sigma) == 1.0
    deviation = scheduler.config.get("sigma_data", 1.0)  # of the data, by which the network's answer is scaled
    for timestep in schedule.timesteps:
        level = schedule._sigma(timestep)
        assert level is not None
        schedule.model_input(latents, timestep)  # some schedulers count by it
        noisy = latents * (level**2 + 1).sqrt() if scaled else latents
        expected = (SPREAD**2 * noisy + level**2 * MEAN) / (SPREAD**2 + level**2)
        variance = level**2 + deviation**2
        prediction = (expected - deviation**2 / variance * noisy) * -variance.sqrt() / (level * deviation)
        latents = schedule.step(prediction, timestep, latents).latents
    return latents


@pytest.mark.parametrize("strength", [0.5, 0.3])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_a_clip_is_carried_down_from_where_it_begins(name: str, strength: float) -> None:
    """Along the flow of normally distributed clips, whose end is known: mean + (x - mean) spread / deviation."""
    schedule = Schedule(scheduler_of(name), 41, CPU, strength=strength)
    clean, noise = torch.full((2, 3), 2.0), torch.tensor([[-1.0, 0.0, 1.0]]).expand(2, 3)
    level = float(schedule._sigma(schedule.timesteps[0]))  # type: ignore[arg-type]
    began = clean + level * noise
    expected = MEAN + (began - MEAN) * SPREAD / math.hypot(SPREAD, level)
    assert torch.allclose(made_from(schedule, clean, noise), expected, atol=0.05)


@pytest.mark.parametrize("name", DETERMINISTIC + DRAWING)
def test_it_takes_the_evaluations_of_sampling_from_noise(name: str) -> None:
    plain = Schedule(scheduler_of(name), 8, CPU)
    for strength in (0.25, 0.5, 0.9):
        schedule = Schedule(scheduler_of(name), 8, CPU, strength=strength)
        assert len(schedule.timesteps) == len(plain.timesteps) >= 8
        assert schedule.timesteps[0] < plain.timesteps[0]
        assert schedule.timesteps[-1] <= plain.timesteps[-1]


@pytest.mark.parametrize(("steps", "strength"), [(25, 0.5), (25, 0.3), (5, 0.8), (2, 0.01)])
def test_its_levels_are_those_of_the_authors(steps: int, strength: float) -> None:
    """DiffSynth-Studio: (a + ramp (b - a))^7, a and b seventh roots of 700 and 0.002, ramp from 1 - strength to 1."""
    schedule = Schedule(scheduler_of("EulerDiscreteScheduler", **SVD), steps, CPU, strength=strength)
    ramp = torch.linspace(1 - strength, 1, steps, dtype=torch.float64)
    most, least = 700 ** (1 / 7), 0.002 ** (1 / 7)
    expected = (most + ramp * (least - most)) ** 7
    assert torch.allclose((4 * schedule.timesteps.double()).exp(), expected, rtol=1e-4)
    clean, noise = torch.randn(2, 1, 3)
    assert torch.allclose(schedule.noisiest(noise, clean), clean + float(expected[0]) * noise, rtol=1e-4)


@pytest.mark.parametrize("name", CANNOT_BEGIN)
def test_one_that_cannot_begin_in_the_middle_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"A {name} cannot begin from a clip"):
        Schedule(scheduler_of(name), 8, CPU, strength=0.5)
    assert len(Schedule(scheduler_of(name), 8, CPU, strength=1).timesteps) >= 8


def test_a_strength_that_it_has_no_levels_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"strength is 0\.01, and in 25 steps of a DDIMScheduler the least is 0\.024"):
        Schedule(scheduler_of("DDIMScheduler"), 25, CPU, strength=0.01)
    with pytest.raises(ValueError, match=r"num_inference_steps is 1, at strength 0\.5: give at least 2"):
        Schedule(scheduler_of("DDIMScheduler"), 1, CPU, strength=0.5)
