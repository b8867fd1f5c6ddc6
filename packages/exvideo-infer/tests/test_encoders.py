from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.encoders import added_time_ids, embed_image, encode_clip, encode_first_frame, for_image_encoder
from PIL import Image


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 5, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_image_embedding_is_the_stock_pipelines(pipe: ExVideoPipeline, stock: Any, images: list[Image.Image]) -> None:
    expected = stock._encode_image(images, "cpu", 1, False)
    (pixels,) = for_image_encoder(images)
    assert torch.equal(embed_image(pipe.image_encoder, pipe.feature_extractor, pixels), expected)


def test_first_frame_is_the_stock_pipelines_and_not_scaled(
    pipe: ExVideoPipeline, stock: Any, frames: torch.Tensor
) -> None:
    expected = stock._encode_vae_image(frames[:, 0], "cpu", 1, False)
    assert torch.equal(encode_first_frame(pipe.vae, frames[:, 0]), expected)


def test_added_time_ids_are_the_stock_pipelines(stock: Any) -> None:
    expected = stock._get_add_time_ids(24 - 1, 100, 0.02, torch.float16, 2, 1, False)
    assert torch.equal(added_time_ids(24, 100, 0.02, 2, torch.float16, "cpu"), expected)


def test_clip_is_the_scaled_mode_of_each_frame(pipe: ExVideoPipeline, frames: torch.Tensor) -> None:
    latents = encode_clip(pipe.vae, frames)
    assert latents.shape == (2, 5, 4, 4, 6)
    one = pipe.vae.encode(frames[1, 3:4]).latent_dist.mode()[0] * pipe.vae.config.scaling_factor
    torch.testing.assert_close(latents[1, 3], one)


@pytest.mark.parametrize("seed", [None, 5])
def test_clip_does_not_depend_on_the_chunks(pipe: ExVideoPipeline, frames: torch.Tensor, seed: int | None) -> None:
    whole, chunked = (
        encode_clip(pipe.vae, frames, size, None if seed is None else torch.Generator().manual_seed(seed))
        for size in (10, 3)
    )
    torch.testing.assert_close(whole, chunked)


def test_a_generator_draws_from_the_posterior(pipe: ExVideoPipeline, frames: torch.Tensor) -> None:
    many = frames[:1, :1].expand(1, 400, 3, 16, 24)
    posterior = pipe.vae.encode(frames[:1, 0]).latent_dist
    drawn = encode_clip(pipe.vae, many, 100, torch.Generator().manual_seed(0)) / pipe.vae.config.scaling_factor
    torch.testing.assert_close(drawn.std(dim=1), posterior.std, rtol=0.25, atol=0)
    assert ((drawn.mean(dim=1) - posterior.mean).abs() < 5 * posterior.std / 400**0.5).all()


def test_an_fp16_encoder_that_would_overflow_runs_in_fp32(pipe: ExVideoPipeline, frames: torch.Tensor) -> None:
    pipe.vae.to(torch.float16)
    half = encode_first_frame(pipe.vae, frames[:, 0])
    assert pipe.vae.dtype == torch.float16
    pipe.vae.to(torch.float32)
    assert torch.equal(half, encode_first_frame(pipe.vae, frames[:, 0]))


def test_bad_clips_are_refused(pipe: ExVideoPipeline, frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="shape"):
        encode_clip(pipe.vae, frames[0])
    with pytest.raises(ValueError, match="shape"):
        encode_clip(pipe.vae, frames.transpose(1, 2))
    with pytest.raises(ValueError, match="chunk_size is 0"):
        encode_clip(pipe.vae, frames, chunk_size=0)
