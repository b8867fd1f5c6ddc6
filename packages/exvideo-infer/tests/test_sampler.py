from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_blocks import family_of
from exvideo_infer import Conditions, ExVideoPipeline, denoise
from exvideo_infer.sampler import guidance_per_frame

FRAMES = 3


def conditions_of(batch: int) -> Conditions:
    generator = torch.Generator().manual_seed(1)
    return Conditions(
        torch.randn(batch, 1, 32, generator=generator),
        torch.randn(batch, 4, 4, 4, generator=generator),
        torch.tensor([[6.0, 127.0, 0.02]]).repeat(batch, 1),
    )


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(1, FRAMES, 4, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("scales", "rows"), [((1.0, 1.0), 1), ((1.0, 2.0), 2), ((2.0, 1.0), 2), ((2.0, 2.0), 2)])
def test_only_guidance_costs_a_second_batch(
    pipe: ExVideoPipeline,
    noise: torch.Tensor,
    scales: tuple[float, float],
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, forward = [], pipe.unet.forward

    def record(model_input: torch.Tensor, timestep: torch.Tensor, **conditions: Any) -> tuple[torch.Tensor]:
        seen.append((model_input.shape[0], conditions["encoder_hidden_states"].shape[0]))
        prediction: tuple[torch.Tensor] = forward(model_input, timestep, **conditions)
        return prediction

    monkeypatch.setattr(pipe.unet, "forward", record)
    denoise(pipe.unet, pipe.scheduler, noise, conditions_of(1), guidance_per_frame(*scales, FRAMES), 2)
    assert seen == [(rows, rows)] * 2


def test_guidance_mixes_each_frame_by_its_own_scale(
    pipe: ExVideoPipeline, noise: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a network that answers 1 with an image and 0 without, the prediction of a frame is its guidance scale."""
    predictions = []

    def answer(model_input: torch.Tensor, timestep: torch.Tensor, **conditions: Any) -> tuple[torch.Tensor]:
        with_image = conditions["encoder_hidden_states"].abs().sum(dim=(1, 2)) > 0
        return (with_image.float()[:, None, None, None, None].expand(-1, *noise.shape[1:]),)

    class Scheduler:
        init_noise_sigma = 1.0

        def set_timesteps(self, steps: int, device: torch.device) -> None:
            self.timesteps = torch.arange(steps)

        def scale_model_input(self, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            return latents

        def step(self, prediction: torch.Tensor, timestep: Any, latents: Any) -> Any:
            predictions.append(prediction)
            return SimpleNamespace(prev_sample=latents)

    monkeypatch.setattr(pipe.unet, "forward", answer)
    denoise(pipe.unet, Scheduler(), noise, conditions_of(1), guidance_per_frame(1.0, 3.0, FRAMES), 1)
    assert predictions[0][0, :, 0, 0, 0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("scale", [0.5, float("nan"), -1.0])
def test_guidance_below_one_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        guidance_per_frame(1.0, scale, FRAMES)


@dataclass(frozen=True)
class Spoken(Conditions):
    """Conditions of a family that hears, too."""

    sound: torch.Tensor | None = None


def test_a_family_s_own_conditions_are_joined_moved_and_left_out_like_ours() -> None:
    one, other = (Spoken(torch.full((1, 2, 3), value), sound=torch.full((1, 4), value)) for value in (1.0, 2.0))
    both = Conditions.cat([one, other]).to(torch.float64)
    assert isinstance(both, Spoken)
    assert (both.tokens.shape, both.first_frame, both.tokens.dtype) == ((2, 2, 3), None, torch.float64)
    assert both.sound is not None
    assert both.sound[:, 0].tolist() == [1, 2]
    assert both.without().tokens.abs().max() == 0


def test_a_wrapper_in_half_precision_is_sampled_with_latents_in_full(
    pipe: ExVideoPipeline, noise: torch.Tensor
) -> None:
    """As a training engine is: it has not the family's class, and its weights are not of the noise's dtype."""
    seen = []

    def wrapper(model_input: torch.Tensor, *args: Any, **options: Any) -> Any:
        seen.append(model_input.dtype)
        return pipe.unet(model_input, *args, **options)

    pipe.unet.to(torch.bfloat16)
    scales = guidance_per_frame(1.0, 1.0, FRAMES)
    family = family_of(pipe.unet)
    arguments = (pipe.scheduler, noise, conditions_of(1), scales, 2)
    latents = denoise(wrapper, *arguments, family=family, dtype=torch.bfloat16)
    assert seen == [torch.bfloat16] * 2
    assert latents.dtype == noise.dtype == torch.float32
