"""The objective against its published form (ExVideo section 4, EDM table 1)."""

import math

import pytest
import torch
from exvideo_blocks.families import svd


def test_karras_sigmas() -> None:
    sigmas = svd.karras_sigmas()
    assert sigmas.shape == (1000,)
    assert math.isclose(sigmas[0], 700, rel_tol=1e-6)
    assert math.isclose(sigmas[-1], 0.002, rel_tol=1e-6)
    assert (sigmas.diff() < 0).all()
    for threshold, share in [(381, 0.10), (136, 0.25), (15.7, 0.5), (0.68, 0.75), (0.037, 0.90)]:
        assert abs((sigmas > threshold).float().mean() - share) < 0.005


def test_sigmas_are_those_of_the_sampler() -> None:
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(
        use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0, prediction_type="v_prediction",
        timestep_type="continuous",
    )  # fmt: skip
    scheduler.set_timesteps(25)
    ours = svd.karras_sigmas(25)
    torch.testing.assert_close(ours, scheduler.sigmas[:-1], rtol=1e-5, atol=0)
    torch.testing.assert_close(svd.timestep_of(ours), scheduler.timesteps, rtol=1e-5, atol=1e-6)
    noisy = torch.randn(1, 2, 4, 4, 4)
    expected = scheduler.scale_model_input(noisy, scheduler.timesteps[0])
    torch.testing.assert_close(svd.scale_input(noisy, ours[0]), expected)
    step = scheduler.step(torch.ones_like(noisy), scheduler.timesteps[0], noisy)
    original = svd.predict_original(torch.ones_like(noisy), svd.scale_input(noisy, ours[0]), ours[0])
    torch.testing.assert_close(original, step.pred_original_sample, rtol=1e-4, atol=1e-5)


def test_the_right_velocity_gives_no_loss_and_any_other_the_weighted_square() -> None:
    latents, noise = torch.randn(2, 3, 4, 4, 4), torch.randn(2, 3, 4, 4, 4)
    sigma = torch.tensor([0.5, 3.0]).view(2, 1, 1, 1, 1)
    model_input = svd.scale_input(latents + sigma * noise, sigma)
    # v = (sigma-weighted) rotation of the pair (noise, latents): c_out v = x0 - c_skip x
    velocity = (noise - sigma * latents) / (sigma**2 + 1).sqrt()
    torch.testing.assert_close(svd.predict_original(velocity, model_input, sigma), latents, rtol=1e-4, atol=1e-5)
    assert svd.loss(velocity, model_input, latents, sigma, target_scale=1.0).max() < 1e-9
    wrong = svd.loss(velocity + 1, model_input, latents, sigma, target_scale=1.0)
    root = (sigma.flatten() ** 2 + 1).sqrt()
    torch.testing.assert_close(wrong, (sigma.flatten() / root) ** 2 * root / sigma.flatten(), rtol=1e-4, atol=0)


def test_the_target_is_scaled_as_published() -> None:
    latents = torch.ones(1, 1, 1, 1, 1)
    sigma = torch.ones(1, 1, 1, 1, 1)
    model_input = svd.scale_input(latents, sigma)
    velocity = (model_input - latents * 2**0.5) / sigma  # predicts exactly 1
    assert abs(svd.loss(velocity, model_input, latents, sigma).item() - 0.01**2 * 2**0.5) < 1e-8


def test_the_family_s_objective_is_the_published_one() -> None:
    from diffusers import EulerDiscreteScheduler

    objective = svd.objective(EulerDiscreteScheduler(prediction_type="v_prediction"))
    latents, noise, v = (torch.randn(2, 3, 4, 4, 4) for _ in range(3))
    sigma = objective.noise_levels()[[100, 900]]
    model_input, time = objective.precondition(latents, noise, sigma)
    per_clip = sigma.view(2, 1, 1, 1, 1)
    assert torch.equal(model_input, svd.scale_input(latents + per_clip * noise, per_clip))
    assert torch.equal(time, svd.timestep_of(sigma))
    assert torch.equal(objective.loss(v, latents, noise, sigma), svd.loss(v, model_input, latents, per_clip))


def test_a_scheduler_for_another_prediction_is_refused() -> None:
    from diffusers import EulerDiscreteScheduler

    with pytest.raises(ValueError, match="prediction_type='epsilon', but Stable Video Diffusion predicts v"):
        svd.objective(EulerDiscreteScheduler())
