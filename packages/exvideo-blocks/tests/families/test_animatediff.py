"""AnimateDiff's motion modules and objective against diffusers' own."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from exvideo_blocks import ExtensionConfig, extend
from exvideo_blocks.families import animatediff
from exvideo_blocks.families.animatediff.sites import position_rows
from torch import Tensor

MakeUnet = Callable[..., Any]


def run(unet: Any, batch: int = 1, frames: int = 16, tokens: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    video = torch.randn(batch, 4, frames, 4, 6, generator=generator)
    text = torch.randn(batch, tokens, 32, generator=generator).repeat_interleave(frames, dim=0)
    with torch.no_grad():
        return unet(video, torch.tensor(7), text).sample


@pytest.mark.parametrize("positions", ["reflected", "continued"])
@pytest.mark.parametrize(("batch", "frames"), [(1, 1), (2, 1), (1, 16), (2, 5)])
def test_a_new_extension_equals_its_base(tiny_motion_unet: MakeUnet, positions: str, batch: int, frames: int) -> None:
    unet = tiny_motion_unet()
    before = run(unet, batch, frames)
    extend(unet, ExtensionConfig(num_frames=40, positions=positions))
    assert torch.equal(run(unet, batch, frames), before)


def test_with_continued_positions_it_equals_its_base_as_far_as_the_stored_table_goes(
    tiny_motion_unet: MakeUnet,
) -> None:
    unet = tiny_motion_unet()
    before = run(unet, frames=24)
    extend(unet, ExtensionConfig(num_frames=40, positions="continued"))
    assert torch.equal(run(unet, frames=24), before)
    assert run(unet, frames=40).shape == (1, 4, 40, 4, 6)  # where the base raises


def test_the_table_follows_the_base_s_own_rows(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet()
    stored = unet.mid_block.motion_modules[0].transformer_blocks[0].pos_embed
    stored.pe += 0.5  # not what the formula gives
    extension = extend(unet, ExtensionConfig(num_frames=30, positions="continued"))
    table = extension.named_parameters()["mid_block.motion_modules.0.transformer_blocks.0.frame_table1.weight"]
    assert torch.equal(table[:24], stored.pe[0])
    longer = tiny_motion_unet(motion_max_seq_length=30).mid_block.motion_modules[0].transformer_blocks[0].pos_embed.pe
    assert torch.equal(table[24:], longer[0, 24:])


def test_positions_between_frames_are_computed() -> None:
    rows = position_rows(torch.zeros(4, 6), [0, 1.5, 9.0])
    assert rows[0].abs().max() == 0  # stored
    for row, position in ((1, 1.5), (2, 9.0)):
        angles = [position / 10000 ** (2 * pair / 6) for pair in range(3)]
        expected = [function(angle) for angle in angles for function in (math.sin, math.cos)]
        torch.testing.assert_close(rows[row], torch.tensor(expected))


def test_each_use_of_the_positions_has_its_table(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet()
    extension = extend(unet, ExtensionConfig(num_frames=20, level="position"))
    before = run(unet)
    outputs = []
    for use in (1, 2):
        name = f"mid_block.motion_modules.0.transformer_blocks.0.frame_table{use}.weight"
        table = extension.named_parameters()[name]
        with torch.no_grad():
            table.add_(torch.linspace(-1, 1, 20)[:, None])
            outputs.append(run(unet))
            table.sub_(torch.linspace(-1, 1, 20)[:, None])
    assert not torch.allclose(outputs[0], before)
    assert not torch.allclose(outputs[1], before)
    assert not torch.allclose(outputs[0], outputs[1])


def test_the_base_length_is_the_trained_one(tiny_motion_unet: MakeUnet) -> None:
    assert extend(tiny_motion_unet(), ExtensionConfig(num_frames=17)).base_frames == 16
    assert extend(tiny_motion_unet(), ExtensionConfig(num_frames=30, base_frames=24)).base_frames == 24
    assert extend(tiny_motion_unet(motion_max_seq_length=8), ExtensionConfig(num_frames=9)).base_frames == 8
    with pytest.raises(ValueError, match="num_frames=16 is no extension of a base model of 16 frames"):
        extend(tiny_motion_unet(), ExtensionConfig(num_frames=16))


def test_frames_beyond_the_extension_are_refused(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet()
    extend(unet, ExtensionConfig(num_frames=20))
    with pytest.raises(ValueError, match="num_frames=21 is beyond the 20 frames"):
        run(unet, frames=21)


def test_the_objective_is_the_scheduler_s() -> None:
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False)
    objective = animatediff.objective(scheduler)
    latents, noise = torch.randn(3, 5, 4, 2, 2), torch.randn(3, 5, 4, 2, 2)
    level = torch.tensor([0, 500, 999])
    model_input, time = objective.precondition(latents, noise, level)
    torch.testing.assert_close(model_input, scheduler.add_noise(latents, noise, level))
    assert torch.equal(time, level)
    torch.testing.assert_close(objective.original(noise, model_input, level), latents, rtol=1e-3, atol=1e-3)
    assert objective.loss(noise, model_input, latents, noise, level).max() < 1e-10
    wrong = objective.loss(noise + 2, model_input, latents, noise, level)
    torch.testing.assert_close(wrong, torch.full((3,), 4.0))
    # The scheduler takes the right answer for the clean latents.
    scheduler.set_timesteps(2)
    step = scheduler.step(noise[1], 500, model_input[1])
    torch.testing.assert_close(step.pred_original_sample, latents[1], rtol=1e-3, atol=1e-4)


def test_levels_are_the_scheduler_s_timesteps() -> None:
    scheduler = DDIMScheduler()
    objective = animatediff.objective(scheduler)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([objective.draw(generator, 1) for _ in range(3000)])
    assert set(drawn.tolist()) <= set(range(1000))
    assert abs(drawn.float().mean() - 499.5) < 30
    for sigma in (0.1, 1.0, 4.0):
        level = objective.level_at(sigma)
        alpha = scheduler.alphas_cumprod[level]
        torch.testing.assert_close(((1 - alpha) / alpha).sqrt(), torch.tensor(sigma), rtol=0.05, atol=0)


@pytest.mark.parametrize("prediction_type", ["v_prediction", "sample"])
def test_another_prediction_is_refused(prediction_type: str) -> None:
    message = (
        f"a DDIMScheduler, has prediction_type={prediction_type!r}, but AnimateDiff models predict 'epsilon': give"
    )
    with pytest.raises(ValueError, match=message):
        animatediff.objective(DDIMScheduler(prediction_type=prediction_type))


@torch.no_grad()
def test_the_network_is_called_as_diffusers_calls_it(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet()
    latents, tokens, time = torch.randn(2, 5, 4, 4, 4), torch.randn(2, 3, 32), torch.tensor([3, 700])
    expected = unet(latents.transpose(1, 2), time, tokens.repeat_interleave(5, dim=0)).sample.transpose(1, 2)
    assert torch.equal(animatediff.call(unet, latents, time, SimpleNamespace(tokens=tokens)), expected)
