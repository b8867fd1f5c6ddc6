"""Clips of prompts: the first frame from words, words beside the first frame, and what is refused."""

import copy
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline, load_base
from exvideo_infer.conditions import join_tokens
from exvideo_infer.encoders import embed_image, embed_text, for_image_encoder
from PIL import Image

SMALL: dict[str, Any] = {"height": 16, "width": 24, "num_frames": 2, "num_inference_steps": 2, "output_type": "latent"}
TOKENS = 7


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def contexts(text_pipe: ExVideoPipeline, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The contexts that the UNet is given, a step each."""
    seen = []
    forward = text_pipe.unet.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["encoder_hidden_states"])
        return forward(*args, **kwargs)

    monkeypatch.setattr(text_pipe.unet, "forward", watched)
    return seen


def test_text_tokens_are_the_last_hidden_state_at_full_length(text_pipe: ExVideoPipeline) -> None:
    prompts = ["a red circle", "a blue square moves left right left"]
    tokens = embed_text(text_pipe.text_encoder, text_pipe.tokenizer, prompts)
    ids = torch.tensor([[2, 4, 5, 7, 3, 0, 0], [2, 4, 6, 8, 9, 10, 3]])  # filled up; cut, with its end kept
    expected = text_pipe.text_encoder.text_model(ids).last_hidden_state
    assert tokens.shape == (2, TOKENS, 32)
    assert torch.equal(tokens, expected)


def test_the_network_attends_to_the_image_and_then_to_the_text(
    text_pipe: ExVideoPipeline, contexts: list[torch.Tensor], images: list[Image.Image]
) -> None:
    prompts = ["a red circle", "moves left"]
    text_pipe(images, prompt=prompts, **SMALL, max_guidance_scale=2.0, generator=seeded())
    (pixels,) = for_image_encoder(images)
    image_token = embed_image(text_pipe.image_encoder, text_pipe.feature_extractor, pixels)
    text_tokens = embed_text(text_pipe.text_encoder, text_pipe.tokenizer, prompts)
    expected = torch.cat([image_token, text_tokens], dim=1)
    assert torch.equal(join_tokens(image_token, text_tokens), expected)
    for context in contexts:
        without, given = context.chunk(2)
        assert torch.equal(given, expected)
        assert (without == 0).all()


def test_without_a_prompt_the_empty_one_is_read(text_pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    none, empty, other = (
        text_pipe(images[0], prompt=prompt, **SMALL, generator=seeded()).frames for prompt in (None, "", "a red circle")
    )
    assert torch.equal(none, empty)
    assert not torch.allclose(none, other)


def test_a_clip_of_a_prompt_is_the_clip_of_the_picture_that_it_gives(text_pipe: ExVideoPipeline) -> None:
    prompts = ["a red circle", "a blue square"]
    whole = text_pipe(prompt=prompts, **SMALL, generator=seeded()).frames
    generator = seeded()
    pictures = text_pipe.text_to_image(prompts, height=16, width=24, generator=generator).images
    assert [picture.size for picture in pictures] == [(24, 16)] * 2
    assert torch.equal(text_pipe(pictures, prompt=prompts, **SMALL, generator=generator).frames, whole)
    assert torch.equal(text_pipe(prompt=prompts, **SMALL, generator=seeded()).frames, whole)
    assert not torch.allclose(text_pipe(prompt=prompts, **SMALL, generator=seeded(1)).frames, whole)


def test_two_prompts_at_once_are_two_apart(text_pipe: ExVideoPipeline) -> None:
    prompts = ["a red circle", "a blue square"]
    both = text_pipe(prompt=prompts, **SMALL, generator=[seeded(1), seeded(2)]).frames
    apart = [text_pipe(prompt=one, **SMALL, generator=seeded(i)).frames for i, one in enumerate(prompts, start=1)]
    torch.testing.assert_close(both, torch.cat(apart), rtol=0, atol=2e-2)  # a pixel may round to its neighbour


def test_the_pictures_are_stock_denoising_decoded_one_by_one(text_pipe: ExVideoPipeline) -> None:
    """The loop written out: guidance away from the empty prompt, and every latent a clip of one frame."""
    words = embed_text(text_pipe.text_encoder, text_pipe.tokenizer, ["", "", "a red circle", "a blue square"])
    unet, scheduler = text_pipe.image_unet, copy.deepcopy(text_pipe.image_scheduler)
    scheduler.set_timesteps(2)
    latents = torch.randn(2, 4, 4, 6, generator=seeded()) * scheduler.init_noise_sigma
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            given = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
            without, with_words = unet(given, timestep, words).sample.chunk(2)
            latents = scheduler.step(without + 1.5 * (with_words - without), timestep, latents).prev_sample
        latents = latents / text_pipe.vae.config.scaling_factor
        frames = torch.cat([text_pipe.vae.decode(latent[None], num_frames=1).sample for latent in latents])
    made = text_pipe.text_to_image(["a red circle", "a blue square"], 16, 24, generator=seeded(), output_type="pt")
    torch.testing.assert_close(made.images, (frames / 2 + 0.5).clamp(0, 1), rtol=0, atol=1e-5)


def test_another_text_to_image_pipeline_can_take_its_place(
    text_pipe: ExVideoPipeline, pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def text_to_image(**arguments: Any) -> Any:
        asked.append(arguments)
        return SimpleNamespace(images=images[: len(arguments["prompt"])])

    generator = seeded()
    for one in (text_pipe, pipe):  # also for a base that reads no text
        monkeypatch.setattr(one, "text_to_image", text_to_image)
        one(prompt="anything", **SMALL, generator=generator)
    assert asked[0] == {
        "prompt": ["anything"], "height": 16, "width": 24, "generator": generator, "output_type": "pil"
    }  # fmt: skip
    ours = pipe(prompt="anything", **SMALL, generator=seeded()).frames
    assert torch.equal(ours, pipe(images[0], **SMALL, generator=seeded()).frames)


def test_a_saved_text_to_image_pipeline_is_loaded_by_its_folder(
    text_base_dir: Path, tiny_base_dir: Path, text_pipe: ExVideoPipeline, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL, StableDiffusionPipeline
    from transformers import CLIPTextModel

    own = text_pipe.text_to_image
    vae = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    text_encoder = CLIPTextModel(own.text_encoder.config)
    parts = (vae, text_encoder, own.tokenizer, own.unet, own.scheduler, None, None)
    StableDiffusionPipeline(*parts, requires_safety_checker=False).save_pretrained(tmp_path / "sd")
    loaded = ExVideoPipeline.from_pretrained(tiny_base_dir, text_to_image=tmp_path / "sd")
    assert type(loaded.text_to_image) is StableDiffusionPipeline
    loaded.set_progress_bar_config(disable=True)
    assert loaded(prompt="a red circle", **SMALL).frames.shape == (1, 2, 4, 4, 6)
    with pytest.raises(ValueError, match=r"no folder \./absent"):
        ExVideoPipeline.from_pretrained(tiny_base_dir, text_to_image="./absent")
    with pytest.raises(ValueError, match="cannot be loaded"):
        ExVideoPipeline.from_pretrained(tiny_base_dir, text_to_image=tiny_base_dir)


def test_every_network_is_moved(text_pipe: ExVideoPipeline) -> None:
    text_pipe.to(torch.bfloat16)
    assert text_pipe.text_encoder.dtype == text_pipe.text_to_image.unet.dtype == torch.bfloat16
    assert torch.isfinite(text_pipe(prompt="a red circle", **SMALL).frames).all()


def test_stored_halves_are_loaded_as_fp32(text_pipe: ExVideoPipeline, text_base_dir: Path) -> None:
    parts = (text_pipe.unet, text_pipe.vae, text_pipe.image_encoder, text_pipe.text_encoder, text_pipe.image_unet)
    assert {part.dtype for part in parts} == {torch.float32}
    assert load_base(text_base_dir, torch.bfloat16).text_encoder.dtype == torch.bfloat16


def test_words_that_are_not_read_are_named(
    text_pipe: ExVideoPipeline, images: list[Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    def warnings_of(prompt: str) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="exvideo_infer"):
            text_pipe(images[0], prompt=prompt, **(SMALL | {"num_inference_steps": 1}))
        return [record.getMessage() for record in caplog.records if record.name.startswith("exvideo_infer")]

    assert warnings_of("A red circle") == []
    assert warnings_of("a Purple zebra purple circle") == [
        "The base does not know these words of the prompt: purple, zebra."
    ]
    (warning,) = warnings_of("a red circle moves left right right")
    assert warning.endswith("does not read: right right")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "Neither prompt nor image is given"),
        ({"prompt": []}, "prompt is an empty list"),
        ({"prompt": [3]}, "prompt 0 is a int"),
        ({"prompt": ["a", "a"], "image": Image.new("RGB", (8, 8))}, "2 prompts were given for 1 images"),
        ({"prompt": ["a", "a"], "generator": [seeded()]}, "1 generators were given for 2 clips"),
        ({"prompt": "a", "latents": torch.zeros(1, 2, 4, 4, 4)}, "latents have shape"),
        ({"image": "a red circle"}, "image is the text 'a red circle'"),
    ],
)
def test_bad_requests_are_refused_before_any_work(
    text_pipe: ExVideoPipeline, arguments: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_pipe, "text_to_image", lambda **_: pytest.fail("a picture was made"))
    with pytest.raises(ValueError, match=complaint) as caught:
        text_pipe(**(SMALL | arguments))
    assert "\n" not in str(caught.value)


def test_a_base_that_reads_no_text_says_so(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="reads no text"):
        pipe(images[0], prompt="a red circle", **SMALL)
    with pytest.raises(ValueError, match="no text-to-image model"):
        pipe(prompt="a red circle", **SMALL)


def test_what_the_folder_recommends_is_taken_where_nothing_is_given(
    text_pipe: ExVideoPipeline, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(**arguments: Any) -> tuple[int, list[float]]:
        seen: list[Any] = []

        def forward(model_input: torch.Tensor, *_: Any, **conditions: Any) -> Any:
            seen.append((model_input.shape[0], conditions["added_time_ids"][0].tolist()))
            return (model_input[:, :, :4],)

        with monkeypatch.context() as patch:
            patch.setattr(text_pipe.unet, "forward", forward)
            text_pipe(images[0], height=16, width=24, num_frames=2, output_type="latent", **arguments)
        assert len(seen) == 3
        rows: int = seen[0][0]
        return rows, seen[0][1]

    assert told() == (1, pytest.approx([4, 127, 0.02]))  # fps, steps and guidance are the folder's
    assert told(fps=9, max_guidance_scale=2.0, noise_aug_strength=0.0) == (2, pytest.approx([8, 127, 0]))


def test_stock_diffusers_loads_the_same_folder(text_base_dir: Path) -> None:
    from diffusers import StableVideoDiffusionPipeline

    stock = StableVideoDiffusionPipeline.from_pretrained(text_base_dir)
    assert set(stock.components) == {"vae", "image_encoder", "unet", "scheduler", "feature_extractor"}
