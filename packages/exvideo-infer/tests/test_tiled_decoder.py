"""Pictures decoded in tiles: the frames of the whole picture, in the memory of a tile."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from exvideo_infer import ExVideoPipeline, load_base
from exvideo_infer.decode import decode_frames, stream_frames, to_uint8
from exvideo_infer.tiled_decoder import decode_tiled
from PIL import Image
from torch import Tensor

from benchmarks.generation.memory import stand_in


def embedded_vae() -> tuple[Any, Tensor]:
    """The shipped, trained autoencoder, and latents of a clip whose pictures are not alike from side to side."""
    base = load_base("embedded")
    rows, columns = torch.meshgrid(torch.arange(160.0), torch.arange(208.0), indexing="ij")
    frames = []
    for frame in range(2):
        disc = ((rows - 40 - frame) ** 2 + (columns - 50 - 2 * frame) ** 2 < 900).float()
        frames.append(torch.stack([disc, 0.2 + 0.3 * (columns > 140).float(), rows / 200]))
    return base.vae, base.encode_frames(torch.stack(frames) * 2 - 1)


def svd_vae(height: int = 17, width: int = 23) -> tuple[Any, Tensor]:
    """An autoencoder of Stable Video Diffusion's depth, narrow and random; latents that are brighter to one side."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(32, 32, 64, 64),
            layers_per_block=2,
            latent_channels=4,
        ).eval()
        # All temporal layers count: a random one is mixed in by half, as it comes.
        return vae, torch.randn(4, 4, height, width) + torch.linspace(-2, 2, width)


@pytest.mark.parametrize(
    ("of", "tile_size"),
    [(embedded_vae, 96), *(pytest.param(svd_vae, size, marks=pytest.mark.long) for size in (64, 96))],
)
def test_tiles_give_the_frames_of_the_whole_picture(of: Callable[[], tuple[Any, Tensor]], tile_size: int) -> None:
    """80 dB are asserted; plain tiles, each with statistics of its own, are below 40 dB."""
    vae, latents = of()
    whole = torch.stack(list(decode_frames(vae, latents, 3)))
    tiled = torch.stack(list(decode_frames(vae, latents, 3, tile_size=tile_size)))
    assert tiled.shape == whole.shape
    assert psnr(tiled, whole) > 80
    side = tile_size // 8
    plain = torch.cat(
        [
            torch.cat(
                [
                    torch.stack(list(decode_frames(vae, latents[..., y : y + side, x : x + side], 3)))
                    for x in range(0, latents.shape[-1], side)
                ],
                dim=-1,
            )
            for y in range(0, latents.shape[-2], side)
        ],
        dim=-2,
    )
    assert psnr(plain, whole) < 40
    assert seam_score(tiled, tile_size) < 1.001 * seam_score(whole, tile_size)
    assert seam_score(plain, tile_size) > 1.1 * seam_score(whole, tile_size)


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * torch.log10(((one - other) ** 2).mean() + 1e-20))


def seam_score(frames: Tensor, tile_size: int) -> float:
    """Steps of brightness from column to column where tiles meet, in units of those elsewhere."""
    steps = (frames[..., 1:] - frames[..., :-1]).abs().mean(dim=(0, 1, 2))
    seams = torch.zeros(len(steps), dtype=torch.bool)
    seams[tile_size - 1 :: tile_size] = True
    return float(steps[seams].mean() / steps[~seams].mean())


def test_half_precision_loses_no_more_than_it_does_anyway() -> None:
    vae, latents = svd_vae(11, 15)
    with torch.no_grad():
        exact = vae.decode(latents, num_frames=4).sample
        vae, latents = vae.bfloat16(), latents.bfloat16()
        tiled, whole = decode_tiled(vae, latents, 64).float(), vae.decode(latents, num_frames=4).sample.float()
    assert (tiled - exact).square().mean() < 1.2 * (whole - exact).square().mean()


def test_tiles_go_with_overlapping_chunks_and_streaming() -> None:
    vae, latents = svd_vae(11, 15)
    whole = [to_uint8(frame) for frame in decode_frames(vae, latents, 3, 1)]
    streamed = list(stream_frames(vae, latents, 3, 1, 64))
    assert len(streamed) == len(whole)
    assert max(abs(one.astype(int) - other.astype(int)).max() for one, other in zip(streamed, whole, strict=True)) <= 1


@pytest.mark.parametrize(
    "kind", ["leaf_level", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("model", "casting"))]
)
def test_offloading_changes_no_bit_of_tiles(kind: str) -> None:
    vae, latents = svd_vae(11, 15)
    if kind == "casting":
        latents = latents.bfloat16()
        vae.bfloat16()
        vae.load_state_dict({key: one.to(torch.float8_e4m3fn).bfloat16() for key, one in vae.state_dict().items()})
    with torch.no_grad():
        expected = decode_tiled(vae, latents, 64)
        if kind == "casting":
            vae.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16, skip_modules_pattern=[])
        elif kind == "model":
            from accelerate import cpu_offload_with_hook

            cpu_offload_with_hook(vae, execution_device="cpu")
        else:
            from diffusers.hooks import apply_group_offloading

            cpu = torch.device("cpu")
            apply_group_offloading(vae, onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
        assert torch.equal(decode_tiled(vae, latents, 64), expected)


def test_the_pipeline_decodes_in_tiles(pipe: ExVideoPipeline, images: list[Image.Image]) -> None:
    arguments: dict[str, Any] = {"height": 64, "width": 96, "num_frames": 3, "num_inference_steps": 1}

    def frames(**more: Any) -> Tensor:
        made: Tensor = pipe(images[0], **arguments, output_type="pt", generator=torch.manual_seed(0), **more).frames
        return made

    whole, tiled = frames(), frames(decode_tile_size=32)
    assert not torch.equal(tiled, whole)  # by rounding
    assert psnr(tiled, whole) > 80
    pipe.enable_vae_tiling(32)
    assert torch.equal(frames(), tiled)
    assert torch.equal(frames(decode_tile_size=64), frames(decode_tile_size=64))
    streamed = list(pipe.stream(images[0], **arguments, generator=torch.manual_seed(0), decode_chunk_size=3))
    assert len(streamed) == 3
    pipe.disable_vae_tiling()
    assert torch.equal(frames(), whole)


@pytest.mark.parametrize("tile_size", [28, 0, -4, 34])
def test_tiles_that_are_too_small_are_refused_before_any_step(
    pipe: ExVideoPipeline, images: list[Image.Image], tile_size: int
) -> None:
    words = f"decode_tile_size is {tile_size}: give a multiple of 4, 32 or more"
    for call in (pipe, pipe.stream, lambda _image, **given: pipe.memory_report(64, 64, **given)):
        with pytest.raises(ValueError, match=words):
            list(call(images[0], decode_tile_size=tile_size))  # type: ignore[operator]
    with pytest.raises(ValueError, match=words):
        pipe.enable_vae_tiling(tile_size)


def test_another_decoder_is_refused_by_name() -> None:
    from diffusers import AutoencoderKL

    with pytest.raises(ValueError, match="decoder is Decoder, and tiles are cut for"):
        decode_tiled(AutoencoderKL(), torch.zeros(1, 4, 8, 8), 64)


@pytest.mark.long
def test_memory_on_a_device_is_flat_in_height_and_width() -> None:
    """Stable Video Diffusion's true size in fp16, 8 frames at a time: 9 times the pixels, the same memory."""
    pipe = stand_in(25)
    small, large, whole = (
        pipe.memory_report(height, width, 25, decode_chunk_size=8, decode_tile_size=tile_size).decoding
        for height, width, tile_size in ((512, 512, 256), (1152, 2048, 256), (1152, 2048, None))
    )
    assert large < 1.1 * small
    assert whole > 40 * large


@pytest.mark.long
@pytest.mark.parametrize(("height", "width"), [(96, 128), (64, 64), (160, 96)])
def test_memory_of_tiles_is_told_before_a_call(pipe: ExVideoPipeline, height: int, width: int) -> None:
    from exvideo_infer import LiveBytes

    report = pipe.memory_report(height, width, 4, decode_chunk_size=4, decode_tile_size=32)
    latents = torch.randn(4, 4, height // 4, width // 4)
    live = LiveBytes()
    live.ignore([*pipe.vae.parameters(), latents])
    with torch.no_grad(), live:
        decode_tiled(pipe.vae, latents, 32)
    assert report.decoding == pytest.approx(live.peak + latents.nbytes, rel=0.15)
    assert report.decoding < pipe.memory_report(height, width, 4, decode_chunk_size=4).decoding
