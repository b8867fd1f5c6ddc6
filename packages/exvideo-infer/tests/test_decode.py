from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.decode import decode_clips, decode_frames, to_uint8


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 5, 4, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def harsh(pipe: ExVideoPipeline) -> Iterator[ExVideoPipeline]:
    """Its decoder leaves [-1, 1], which a random one never does."""
    weight = pipe.vae.decoder.time_conv_out.weight.data
    original = weight.clone()
    weight.mul_(10)
    yield pipe
    weight.copy_(original)


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 9])
def test_a_clip_is_decoded_as_by_the_stock_pipeline(
    harsh: ExVideoPipeline, stock: Any, latents: torch.Tensor, chunk_size: int
) -> None:
    clip = latents[:1]
    with torch.no_grad():
        expected = stock.decode_latents(clip, 5, chunk_size)
    assert expected.abs().max() > 1
    for output_type in ("pt", "np", "pil"):
        ours = decode_clips(harsh.vae, clip, chunk_size, output_type)
        theirs = stock.video_processor.postprocess_video(expected, output_type)
        if output_type == "pil":
            ours, theirs = ([np.asarray(frame) for frame in frames[0]] for frames in (ours, theirs))
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_chunks_do_not_reach_into_the_next_clip(pipe: ExVideoPipeline, latents: torch.Tensor) -> None:
    both = decode_clips(pipe.vae, latents, 2, "pt")
    apart = torch.cat([decode_clips(pipe.vae, clip[None], 2, "pt") for clip in latents])
    assert torch.equal(both, apart)


def test_frames_are_decoded_only_when_they_are_taken(
    pipe: ExVideoPipeline, latents: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a long clip never lies decoded in memory: the file takes a chunk before the next is made."""
    decoded = []
    decode = pipe.vae.decode

    def counted(chunk: torch.Tensor, **more: Any) -> Any:
        decoded.append(chunk.shape[0])
        return decode(chunk, **more)

    monkeypatch.setattr(pipe.vae, "decode", counted)
    frames = decode_frames(pipe.vae, latents[0], 2)
    assert decoded == []
    for taken, chunks in enumerate([[2], [2], [2, 2], [2, 2], [2, 2, 1]]):
        assert next(frames).shape == (3, 16, 24), taken
        assert decoded == chunks
        assert torch.is_grad_enabled()


def test_pixels_are_rounded_not_cut() -> None:
    frame = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 1.0]).expand(3, 2, 4)
    assert to_uint8(frame).shape == (2, 4, 3)
    assert to_uint8(frame)[0, :, 0].tolist() == [0, 0, 1, 255]


def test_no_frames_at_a_time_is_refused(pipe: ExVideoPipeline, latents: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="chunk_size is 0"):
        next(decode_frames(pipe.vae, latents[0], 0))
