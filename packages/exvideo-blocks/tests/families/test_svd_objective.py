"""The objective against its published form (ExVideo section 4, EDM table 1)."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from exvideo_blocks.families.svd import SigmaObjective, call, karras_sigmas, objective

OBJECTIVE = SigmaObjective()


def test_karras_sigmas() -> None:
    sigmas = karras_sigmas()
    assert sigmas.shape == (1000,)
    assert math.isclose(sigmas[0], 700, rel_tol=1e-6)
    assert math.isclose(sigmas[-1], 0.002, rel_tol=1e-6)
    assert (sigmas.diff() < 0).all()
    for threshold, share in [(381, 0.10), (136, 0.25), (15.7, 0.5), (0.68, 0.75), (0.037, 0.90)]:
        assert abs((sigmas > threshold).float().mean() - share) < 0.005


def test_sigmas_are_those_of_the_sampler() -> None:
    scheduler = EulerDiscreteScheduler(
        use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0, prediction_type="v_prediction",
        timestep_type="continuous",
    )  # fmt: skip
    scheduler.set_timesteps(25)
    ours = karras_sigmas(25)
    torch.testing.assert_close(ours, scheduler.sigmas[:-1], rtol=1e-5, atol=0)
    noisy = torch.randn(1, 2, 4, 4, 4)
    model_input, time = OBJECTIVE.precondition(noisy, torch.zeros_like(noisy), ours[:1])
    torch.testing.assert_close(time, scheduler.timesteps[:1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model_input, scheduler.scale_model_input(noisy, scheduler.timesteps[0]))
    step = scheduler.step(torch.ones_like(noisy), scheduler.timesteps[0], noisy)
    original = OBJECTIVE.original(torch.ones_like(noisy), model_input, ours[:1])
    torch.testing.assert_close(original, step.pred_original_sample, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("weighting", "power"), [("published", 1), ("edm", 2)])
def test_the_right_velocity_gives_no_loss_and_any_other_the_weighted_square(weighting: str, power: int) -> None:
    latents, noise = torch.randn(2, 3, 4, 4, 4), torch.randn(2, 3, 4, 4, 4)
    level = torch.tensor([0.5, 3.0])
    aimed = SigmaObjective(weighting=weighting, target_scale=1.0)
    model_input, _ = aimed.precondition(latents, noise, level)
    # v = (sigma-weighted) rotation of the pair (noise, latents): c_out v = x0 - c_skip x
    sigma = level.view(2, 1, 1, 1, 1)
    velocity = (noise - sigma * latents) / (sigma**2 + 1).sqrt()
    torch.testing.assert_close(aimed.original(velocity, model_input, level), latents, rtol=1e-4, atol=1e-5)
    assert aimed.loss(velocity, model_input, latents, noise, level).max() < 1e-9
    wrong = aimed.loss(velocity + 1, model_input, latents, noise, level)
    root = (level**2 + 1).sqrt()
    torch.testing.assert_close(wrong, (level / root) ** 2 * (root / level) ** power, rtol=1e-4, atol=0)


def test_the_target_is_scaled_as_published() -> None:
    latents, noise = torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1)
    level = torch.ones(1)
    model_input, _ = OBJECTIVE.precondition(latents, noise, level)
    velocity = model_input - latents * 2**0.5  # predicts exactly 1
    loss = OBJECTIVE.loss(velocity, model_input, latents, noise, level)
    assert abs(loss.item() - 0.01**2 * 2**0.5) < 1e-8


def test_levels_are_drawn_as_said() -> None:
    generator = torch.Generator().manual_seed(0)
    karras = torch.stack([OBJECTIVE.draw(generator, 1) for _ in range(200)])
    assert torch.isin(karras, karras_sigmas()).all()
    lognormal = SigmaObjective("lognormal", mean=1.0, std=0.1)
    drawn = torch.stack([lognormal.draw(generator, 1) for _ in range(200)]).log()
    assert abs(drawn.mean() - 1) < 0.05
    assert abs(drawn.std() - 0.1) < 0.02
    assert OBJECTIVE.level_at(4.0) == 4


def test_the_family_s_objective_is_the_published_one_and_its_settings_are_checked() -> None:
    scheduler = EulerDiscreteScheduler(prediction_type="v_prediction")
    assert objective(scheduler) == SigmaObjective()
    changed = objective(scheduler, distribution="lognormal", std=None, weighting="edm", target_scale=1.0)
    assert changed == SigmaObjective("lognormal", weighting="edm", target_scale=1.0)
    with pytest.raises(ValueError, match="distribution='discrete' is unknown to this model's objective: choose one of"):
        objective(scheduler, distribution="discrete")
    with pytest.raises(ValueError, match=r"shift=3 is no setting of this model's objective: it has distribution, mean"):
        objective(scheduler, shift=3)


@pytest.mark.parametrize(
    ("scheduler", "found"),
    [
        (EulerDiscreteScheduler(), "'epsilon'"),
        (DDIMScheduler(prediction_type="sample"), "'sample'"),
        (FlowMatchEulerDiscreteScheduler(), "None"),
    ],
)
def test_a_scheduler_for_another_prediction_is_refused(scheduler: Any, found: str) -> None:
    name = type(scheduler).__name__
    message = rf"The scheduler, a {name}, has prediction_type={found}, but Stable Video Diffusion models predict"
    with pytest.raises(ValueError, match=message):
        objective(scheduler)


@torch.no_grad()
def test_the_network_is_called_as_diffusers_calls_it(make_base: Any) -> None:
    unet = make_base("svd", torch.float32)
    latents, first, tokens = torch.randn(2, 4, 4, 4, 6), torch.randn(2, 4, 4, 6), torch.randn(2, 1, 32)
    ids, time = torch.tensor([[6.0, 127.0, 0.02]] * 2), torch.tensor([0.3, 0.7])
    sample = torch.cat([latents, first[:, None].repeat(1, 4, 1, 1, 1)], dim=2)
    conditions = SimpleNamespace(tokens=tokens, first_frame=first, time_ids=ids)
    assert torch.equal(call(unet, latents, time, conditions), unet(sample, time, tokens, ids).sample)
