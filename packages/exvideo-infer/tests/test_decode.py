import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline, load_base
from exvideo_infer.decode import OVERLAP, STREAMED, decode_clips, decode_frames, stream_frames, to_uint8


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


@pytest.mark.parametrize(
    ("chunk_size", "overlap"),
    [(STREAMED, OVERLAP), pytest.param(8, 4, marks=pytest.mark.long)],
    ids=["as_streamed", "smaller"],
)
def test_chunks_that_overlap_are_near_the_whole_and_show_no_seam(chunk_size: int, overlap: int) -> None:
    """On the shipped autoencoder and a disc that moves: at least 40 dB, and at most 1.1 times the change at a seam."""
    base = load_base("embedded")
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    places = [(10 + frame * 0.3, 7 + frame / 2) for frame in range(28)]
    discs = [((rows - y) ** 2 + (columns - x) ** 2 < 22).float() for y, x in places]
    frames = torch.stack([torch.stack([disc, 0.2 + 0.3 * disc, 0.6 - 0.5 * disc]) for disc in discs]) * 2 - 1
    latents = base.encode_frames(frames.clamp(-1, 1))
    whole = torch.stack(list(decode_frames(base.vae, latents, len(latents))))
    chunks, cut = (torch.stack(list(decode_frames(base.vae, latents, chunk_size, n))) for n in (overlap, 0))
    error = ((chunks - whole) ** 2).mean()
    assert -10 * torch.log10(error) > 40
    assert error < ((cut - whole) ** 2).mean() / 2
    change, own = ((clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3)) for clip in (chunks, whole))
    assert (change / own).max() < 1.1


def test_without_an_overlap_a_stream_is_the_decoded_clip_and_errors_reach_whoever_takes_it(
    harsh: ExVideoPipeline, latents: torch.Tensor
) -> None:
    expected = [to_uint8(frame) for frame in decode_frames(harsh.vae, latents[0], 2)]
    streamed = list(stream_frames(harsh.vae, latents[0], 2, 0))
    assert all(np.array_equal(*pair) for pair in zip(streamed, expected, strict=True))
    frames = stream_frames(harsh.vae, latents[0] * float("nan"), 2, 0)
    with pytest.raises(ValueError, match="not finite at a decoded frame"):
        next(frames)
    frames = stream_frames(harsh.vae, latents[0], 2, 1)
    next(frames)
    frames.close()
    assert not any(thread.name == "decoding" for thread in threading.enumerate())


@pytest.mark.parametrize(("chunk_size", "overlap"), [(4, 4), (4, -1)])
def test_chunks_that_cannot_overlap_are_refused(
    pipe: ExVideoPipeline, latents: torch.Tensor, chunk_size: int, overlap: int
) -> None:
    with pytest.raises(ValueError, match=f"The overlap is {overlap} frames, of chunks of {chunk_size}"):
        next(decode_frames(pipe.vae, latents[0], chunk_size, overlap))


_PEAK = """
import sys, torch
from exvideo_infer import write_video
from exvideo_infer.decode import stream_frames
from exvideo_infer.heap import return_large_blocks
from diffusers import AutoencoderKLTemporalDecoder
frames, side, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
assert return_large_blocks()
blocks = ("DownEncoderBlock2D",) * 4
vae = AutoencoderKLTemporalDecoder(block_out_channels=(32, 32, 64, 64), layers_per_block=1, latent_channels=4,
    down_block_types=blocks).eval()
latents = torch.randn(frames, 4, side // 8, side // 8)
open("/proc/self/clear_refs", "w").write("5")
status = lambda key: int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1])
before = status("VmRSS")
write_video(path, stream_frames(vae, latents), 8)
print(status("VmHWM") - before)
"""


@pytest.mark.long
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="reads /proc, and sets glibc's heaps")
@pytest.mark.parametrize("side", [64, 128])
def test_the_memory_of_a_clip_does_not_grow_with_its_length(tmp_path: Path, side: int) -> None:
    """512 frames through an autoencoder of Stable Video Diffusion's structure to MP4, and 64 of them.

    As the command lines do it: by itself glibc keeps what fits its heaps, another amount in each run.
    """
    peaks, environment = {}, {key: value for key, value in os.environ.items() if key != "MALLOC_MMAP_THRESHOLD_"}
    for frames in (64, 512):
        command = [sys.executable, "-c", _PEAK, str(frames), str(side), str(tmp_path / f"{frames}.mp4")]
        run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        peaks[frames] = int(run.stdout)
    print(f"KiB above the baseline at {side}x{side}, by frames: {peaks}")
    assert peaks[512] < 1.1 * peaks[64], peaks
