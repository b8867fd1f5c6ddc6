"""The arguments of a call, beside the stock pipeline's."""

from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 3, "num_inference_steps": 2, "output_type": "pt"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"decode_chunk_size": None, "num_frames": 11},
        {"sigmas": [700.0, 20.0, 1.0, 0.01]},
        {"num_videos_per_prompt": 2},
        {"height": 72, "width": 40},
    ],
    ids=["defaults", "all_frames_at_once", "sigmas", "two_videos", "height_72"],
)
def test_what_is_not_given_is_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], more: dict[str, Any]
) -> None:
    arguments = {"height": 16, "width": 24, "num_inference_steps": 2, "output_type": "pt"} | more
    ours, theirs = (one(images[0], **arguments, generator=seeded()).frames for one in (pipe, stock))
    assert torch.equal(ours, theirs)


def test_arguments_by_position_are_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image]
) -> None:
    ours, theirs = (one(images[0], 16, 24, 2, 2, generator=seeded(), output_type="pt") for one in (pipe, stock))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours.frames, ours["frames"])
    taken = pipe(images[0], **SMALL, generator=seeded(), return_dict=False)
    assert torch.equal(taken, stock(images[0], **SMALL, generator=seeded(), return_dict=False))


def test_without_a_size_the_network_is_asked_at_the_stock_pipelines(
    pipe: ExVideoPipeline, stock: Any, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def forward(model_input: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor]:
        asked.append(model_input.shape)
        return (model_input[:, :, :4],)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(pixels), 8, pixels.shape[-2] // 4, pixels.shape[-1] // 4)

    monkeypatch.setattr(pipe.unet, "forward", forward)
    monkeypatch.setattr(pipe.vae.encoder, "forward", encode)  # as the other's, which is the same
    for one in (pipe, stock):
        one(images[0], num_inference_steps=1, num_frames=2, output_type="latent")
    assert asked[0] == asked[1]
    assert asked[0][-2:] == (144, 256)


@pytest.mark.parametrize("more", [{"batch_size": 1}, {"batch_size": 2}, {"guidance_batched": False}])
def test_how_many_are_sampled_at_a_time_changes_rounding_alone(
    pipe: ExVideoPipeline, images: list[Image.Image], more: dict[str, Any]
) -> None:
    three = [*images, images[0].rotate(90)]
    whole, apart = (pipe(three, **SMALL, **one, generator=seeded()).frames for one in ({}, more))
    torch.testing.assert_close(apart, whole, rtol=0, atol=1e-4)


def test_halves_of_guidance_are_asked_for_apart_as_the_pipeline_or_a_call_says(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, forward = [], pipe.unet.forward
    monkeypatch.setattr(
        pipe.unet,
        "forward",
        lambda sample, *args, **more: (asked.append(len(sample)), forward(sample, *args, **more))[1],
    )

    def rows(**more: bool) -> list[int]:
        asked.clear()
        pipe(images[0], **SMALL, **more)
        return list(asked)

    assert rows() == [2, 2]
    assert rows(guidance_batched=False) == [1] * 4
    monkeypatch.setattr(pipe, "guidance_batched", False)
    assert rows() == [1] * 4
    assert rows(guidance_batched=True) == [2, 2]


def test_the_memory_of_halves_apart_is_told_as_the_pipeline_or_a_call_says(
    pipe: ExVideoPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = pipe.memory_report(16, 24, 3).denoising
    assert pipe.memory_report(16, 24, 3, guidance_batched=False).denoising < together
    monkeypatch.setattr(pipe, "guidance_batched", False)
    assert pipe.memory_report(16, 24, 3).denoising < together
    assert pipe.memory_report(16, 24, 3, guidance_batched=True).denoising == together


def test_clips_of_one_prompt_follow_each_other_and_differ(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    generators = [seeded(seed) for seed in range(4)]
    four = pipe(images, **SMALL, num_videos_per_prompt=2, generator=generators).frames
    second = pipe(images[1], **SMALL, generator=seeded(2)).frames
    torch.testing.assert_close(four[2], second[0], rtol=0, atol=1e-4)
    assert not torch.allclose(four[0], four[1], atol=1e-2)


def test_a_negative_prompt_is_led_away_from(text_pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    arguments = SMALL | {"prompt": "a red circle", "max_guidance_scale": 3.0}
    none, one, other = (
        text_pipe(images[0], **arguments, negative_prompt=text, generator=seeded()).frames
        for text in (None, "a blue square", "moves left")
    )
    assert not torch.allclose(none, one, atol=1e-4)
    assert not torch.allclose(one, other, atol=1e-4)
    unguided = arguments | {"min_guidance_scale": 1.0, "max_guidance_scale": 1.0}
    ours, theirs = (
        text_pipe(images[0], **unguided, negative_prompt=text, generator=seeded()).frames for text in (None, "a")
    )
    assert torch.equal(ours, theirs)
    with pytest.raises(ValueError, match="2 negative prompts were given for 1 clips"):
        text_pipe(images[0], **arguments, negative_prompt=["a", "b"])


def test_a_negative_prompt_needs_a_base_that_reads_text(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="negative_prompt would change nothing"):
        pipe(images[0], **SMALL, negative_prompt="a blue square")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": 1e9}, "fps is 1000000000.0: give a number from 1 to 1000"),
        ({"motion_bucket_id": 1e9}, "motion_bucket_id is 1000000000.0"),
        ({"noise_aug_strength": float("inf")}, "noise_aug_strength is inf"),
        ({"max_guidance_scale": float("inf")}, "guidance scale of inf"),
        ({"latents": torch.full((1, 3, 4, 4, 6), float("nan"))}, "latents hold values that are infinite or no numbers"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_videos_per_prompt": 0}, "num_videos_per_prompt is 0"),
    ],
)
def test_numbers_out_of_range_are_refused(
    pipe: ExVideoPipeline, images: list[Image.Image], argument: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        pipe(images[0], **(SMALL | argument))


def test_a_value_that_is_not_finite_stops_the_call_at_its_step(
    pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    forward = pipe.unet.forward

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        (made,) = forward(*args, **kwargs)
        return (made * (float("inf") if len(calls) == 2 else 1),)

    monkeypatch.setattr(pipe.unet, "forward", failing)
    with pytest.raises(ValueError, match="not finite at step 2 of 4, in float32"):
        pipe(images[0], **(SMALL | {"num_inference_steps": 4}))
    assert len(calls) == 2
    monkeypatch.setattr(pipe.unet, "forward", forward)
    decode = pipe.vae.decode
    monkeypatch.setattr(pipe.vae, "decode", lambda *args, **kw: decode(args[0] * float("nan"), **kw))
    with pytest.raises(ValueError, match="not finite at a decoded frame"):
        pipe(images[0], **SMALL)


def test_one_clip_is_streamed(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    expected = pipe(images[0], **(SMALL | {"output_type": "pil"}), generator=seeded(), decode_chunk_size=2).frames[0]
    frames = list(pipe.stream(images[0], **SMALL, generator=seeded(), decode_chunk_size=2))
    assert all(np.array_equal(frame, np.asarray(one)) for frame, one in zip(frames, expected, strict=True))
    with pytest.raises(ValueError, match="2 clips were asked for"):
        next(pipe.stream(images, **SMALL))


def test_the_number_of_steps_is_told_as_the_stock_pipeline_tells_it(
    pipe: ExVideoPipeline, images: list[Image.Image]
) -> None:
    seen = []
    pipe(images[0], **SMALL, callback_on_step_end=lambda one, *_: seen.append(one.num_timesteps))
    assert seen == [2, 2]
