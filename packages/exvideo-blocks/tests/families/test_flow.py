"""Flow matching and v-prediction, against diffusers' own schedulers and pipelines."""

import math
from typing import Any

import pytest
import torch
from exvideo_blocks.families import FAMILIES
from exvideo_blocks.families.flow import FlowObjective, with_first_frame

SHAPE = (3, 5, 4, 2, 2)  # batch, frames, channels, height, width


def euler(shift: float = 3.0, **options: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=shift, **options)


def unipc(shift: float) -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)


def ltx() -> Any:
    ends = {"base_image_seq_len": 1024, "max_image_seq_len": 4096, "base_shift": 0.95, "max_shift": 2.05}
    return euler(1.0, use_dynamic_shifting=True, **ends)


def cogvideox(**options: Any) -> Any:
    from diffusers import CogVideoXDDIMScheduler

    settings = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "snr_shift_scale": 3.0}
    return CogVideoXDDIMScheduler(**settings | options)


def noise_and_latents() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)


@pytest.mark.parametrize("family", ["wan", "hunyuan_video", "ltx"])
def test_the_input_of_a_flow_is_the_scheduler_s_and_the_true_answer_gives_the_latents(family: str) -> None:
    noise, latents = noise_and_latents()
    scheduler = euler(5.0)
    objective = FAMILIES[family].objective(scheduler)
    at = torch.tensor([0, 300, 990])
    level, times = scheduler.sigmas[at], scheduler.timesteps[at]
    model_input, time = objective.precondition(latents, noise, level)
    torch.testing.assert_close(time, times, rtol=0, atol=1e-3)
    torch.testing.assert_close(model_input, scheduler.scale_noise(latents, times, noise), rtol=0, atol=1e-6)
    answer = noise - latents
    torch.testing.assert_close(objective.original(answer, model_input, level), latents, rtol=0, atol=1e-5)
    assert objective.loss(answer, model_input, latents, noise, level).tolist() == [0, 0, 0]
    wrong = objective.loss(answer + 2, model_input, latents, noise, level)
    torch.testing.assert_close(wrong, torch.full((3,), 4.0))
    # A step of the sampler to the end, from the true answer, is the clean latents, too.
    scheduler.set_timesteps(4)
    first = objective.precondition(latents, noise, scheduler.sigmas[:1].repeat(3))[0]
    for step, t in enumerate(scheduler.timesteps):
        first = scheduler.step(answer, t, first).prev_sample
        expected = objective.precondition(latents, noise, scheduler.sigmas[step + 1].repeat(3))[0]
        torch.testing.assert_close(first, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("scheduler", "shift"), [(euler(3.0), 3.0), (unipc(5.0), 5.0), (euler(7.0), 7.0)])
def test_noise_is_drawn_with_the_scheduler_s_shift(scheduler: Any, shift: float) -> None:
    objective = FAMILIES["wan"].objective(scheduler)
    draws = torch.stack([objective.draw(torch.Generator().manual_seed(seed), 99) for seed in range(2000)])
    undone = draws / (shift - (shift - 1) * draws)
    even = torch.linspace(0, 1, len(draws))
    assert (undone.sort().values - even).abs().max() < 1.7 / math.sqrt(len(draws))  # Kolmogorov and Smirnov, 0.5 %
    assert objective.level_at(1.0) == 0.5
    own = FAMILIES["wan"].objective(scheduler, shift=2.0, distribution="logitnormal")
    draws = torch.stack([own.draw(torch.Generator().manual_seed(seed), 99) for seed in range(2000)])
    normal = (draws / (2 - draws)).logit()
    assert abs(normal.mean()) < 0.1
    assert abs(normal.std() - 1) < 0.1


@pytest.mark.parametrize("distribution", ["uniform", "logitnormal"])
def test_levels_of_a_range_are_those_of_all_that_fall_into_it(distribution: str) -> None:
    """An expert's levels, drawn directly, have the distribution of the whole model's that are in its range."""
    generator = torch.Generator().manual_seed(0)
    whole = FlowObjective(1000, shift=3.0, distribution=distribution)
    levels = torch.stack([whole.draw(generator, 1) for _ in range(20_000)])
    for low, high in ((0.0, 0.875), (0.875, 1.0)):
        expert = FlowObjective(1000, shift=3.0, distribution=distribution, sigma_range=(low, high))
        drawn = torch.stack([expert.draw(generator, 1) for _ in range(4_000)])
        assert drawn.min() >= low
        assert drawn.max() <= high
        shares = torch.linspace(0.1, 0.9, 5)
        own = levels[(levels >= low) & (levels < high)]
        width = high - low
        torch.testing.assert_close(drawn.quantile(shares), own.quantile(shares), rtol=0, atol=0.05 * width)
        inside, outside = ((low + high) / 2, 0.9 if high < 0.9 else 0.5)
        assert expert.level_at(inside / (1 - inside)) == pytest.approx(inside)
        with pytest.raises(ValueError, match="is a noise level that this network, an expert of others, is not asked"):
            expert.level_at(outside / (1 - outside))
    for given in ((0.5, 0.5), (-0.1, 1.0), (0.9, 1.1)):
        with pytest.raises(ValueError, match=r"is no range of levels: give two of 0 to 1 that rise"):
            FlowObjective(1000, sigma_range=given)


def test_ltx_shifts_by_tokens_as_its_pipeline_does() -> None:
    from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

    scheduler = ltx()
    objective = FAMILIES["ltx"].objective(scheduler)
    uniform = torch.tensor([0.1, 0.5, 0.9])
    for tokens in (240, 1024, 4096, 33 * 16 * 24):
        mu = calculate_shift(tokens, 1024, 4096, 0.95, 2.05)
        assert math.log(objective.shift_at(tokens)) == pytest.approx(mu, rel=1e-12)
        shift = objective.shift_at(tokens)
        expected = scheduler.time_shift(mu, 1.0, uniform)
        torch.testing.assert_close(shift * uniform / (1 + (shift - 1) * uniform), expected, rtol=0, atol=1e-6)
    assert FAMILIES["ltx"].objective(scheduler, shift=1.0).shift_at(240) == 1.0
    linear = euler(1.0, use_dynamic_shifting=True, time_shift_type="linear", base_shift=2.0, max_shift=4.0)
    assert FAMILIES["ltx"].objective(linear).shift_at(linear.config.max_image_seq_len) == pytest.approx(4.0)


@pytest.mark.parametrize("family", ["wan", "ltx"])
def test_a_frame_that_is_given_is_clean_at_time_zero_and_not_judged(family: str) -> None:
    noise, latents = noise_and_latents()
    objective = FAMILIES[family].objective(euler(), given_frames=1)
    level = torch.tensor([0.2, 0.5, 1.0])
    model_input, time = objective.precondition(latents, noise, level)
    assert torch.equal(model_input[:, 0], latents[:, 0])
    assert time.shape == SHAPE[:2]
    assert not time[:, 0].any()
    assert torch.equal(time[:, 1:], 1000 * level[:, None].expand(-1, 4))
    answer = noise - latents
    answer[:, 0] = 100
    torch.testing.assert_close(objective.original(answer, model_input, level), latents, rtol=0, atol=1e-5)
    assert objective.loss(answer, model_input, latents, noise, level).tolist() == [0, 0, 0]
    again, times = with_first_frame(model_input, 1000 * level, latents[:, 0])
    assert torch.equal(again, model_input)
    assert torch.equal(times, time)


def test_cogvideox_predicts_the_scheduler_s_velocity() -> None:
    noise, latents = noise_and_latents()
    scheduler = cogvideox()
    objective = FAMILIES["cogvideox"].objective(scheduler)
    level = torch.tensor([0, 500, 999])  # the last one without any signal
    model_input, time = objective.precondition(latents, noise, level)
    assert torch.equal(time, level)
    torch.testing.assert_close(model_input, scheduler.add_noise(latents, noise, level), rtol=0, atol=1e-6)
    velocity = scheduler.get_velocity(latents, noise, level)
    torch.testing.assert_close(objective.original(velocity, model_input, level), latents, rtol=0, atol=1e-5)
    loss = objective.loss(velocity, model_input, latents, noise, level)
    torch.testing.assert_close(loss, torch.zeros(3), rtol=0, atol=1e-11)
    torch.testing.assert_close(objective.loss(velocity + 3, model_input, latents, noise, level), torch.full((3,), 9.0))
    drawn = {int(objective.draw(torch.Generator().manual_seed(seed), 9)) for seed in range(300)}
    assert drawn <= set(range(1000))
    assert len(drawn) > 200
    assert objective.level_at(1e9) == 998  # at 999 there is no signal to compare with
    assert objective.level_at(1e-9) == 0


def test_a_scheduler_or_a_setting_that_does_not_fit_is_refused() -> None:
    from diffusers import DDIMScheduler

    with pytest.raises(ValueError, match="DDIMScheduler, samples no flow, which Wan models predict"):
        FAMILIES["wan"].objective(DDIMScheduler())
    with pytest.raises(ValueError, match="'epsilon', but CogVideoX models predict 'v_prediction'"):
        FAMILIES["cogvideox"].objective(cogvideox(prediction_type="epsilon"))
    for settings, message in {
        ("shift", 0.0): "shift=0.0 must be above 0",
        ("given_frames", -1): "given_frames=-1 must be at least 0",
        ("distribution", "karras"): "distribution='karras' is unknown",
        ("weighting", "edm"): "weighting='edm' is no setting .*: it has shift, distribution, given_frames",
    }.items():
        with pytest.raises(ValueError, match=message):
            FAMILIES["wan"].objective(euler(), **dict([settings]))
    with pytest.raises(ValueError, match="given_frames=1 is no setting"):
        FAMILIES["cogvideox"].objective(cogvideox(), given_frames=1)
