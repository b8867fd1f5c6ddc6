"""Every scheduler of diffusers that a Stable Video Diffusion base can be sampled with, and those that it cannot."""

from typing import Any

import diffusers
import pytest
import torch
from exvideo_infer import ExVideoPipeline
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 2, "output_type": "latent"}
ALIKE = ("DDIMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "EDMEulerScheduler")
ALIKE += ("DPMSolverSinglestepScheduler",)
ALIKE += ("EulerDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler")
ALIKE += ("PNDMScheduler", "UniPCMultistepScheduler")
DRAWING = ("DDPMScheduler", "EulerAncestralDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "LCMScheduler")
DRAWING += ("TCDScheduler",)
REFUSED = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "IPNDMScheduler")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scheduler_of(name: str, **options: Any) -> Any:
    kind = getattr(diffusers, name)
    try:
        return kind(prediction_type="v_prediction", **options)
    except TypeError:
        return kind(**options)


@pytest.mark.parametrize("name", ALIKE)
def test_it_is_the_stock_pipelines_bit_for_bit(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for one in (pipe, stock):
        monkeypatch.setattr(one, "scheduler", scheduler_of(name))
        made.append(one(images[0], **SMALL, num_inference_steps=4, generator=seeded()).frames)
    assert torch.equal(*made)


@pytest.mark.parametrize("name", DRAWING)
def test_what_it_draws_at_each_step_is_of_the_callers_generator(
    pipe: ExVideoPipeline, images: list[Image.Image], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "scheduler", scheduler_of(name))
    first, again, other = (
        pipe(images[0], **SMALL, num_inference_steps=3, generator=seeded(seed)).frames for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("name", REFUSED)
def test_one_of_another_kind_is_refused_by_its_name(
    pipe: ExVideoPipeline, images: list[Image.Image], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "scheduler", scheduler_of(name))
    monkeypatch.setattr(pipe.vae, "encode", lambda *_: pytest.fail("something was encoded"))
    with pytest.raises(ValueError, match=name):
        pipe(images[0], **SMALL, num_inference_steps=3)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if number % 4 == 0 else pytest.mark.long)
        for number, name in enumerate(ALIKE + DRAWING)
    ],
)
def test_the_last_prediction_of_the_clean_clip_is_near_what_is_made(
    pipe: ExVideoPipeline, images: list[Image.Image], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "scheduler", scheduler_of(name))
    seen: list[torch.Tensor] = []

    def callback(_: Any, step: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> None:
        seen.append(tensors["pred_original_sample"])

    wanted = ["pred_original_sample"]
    made = pipe(
        images[0], **SMALL, num_inference_steps=20, generator=seeded(), callback_on_step_end=callback,
        callback_on_step_end_tensor_inputs=wanted,
    ).frames  # fmt: skip
    error, first = ((one - made).std() / made.std() for one in (seen[-1], seen[0]))
    assert error < 0.1
    assert first > 2 * error
