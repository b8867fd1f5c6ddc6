"""The decoder of Stable Video Diffusion's autoencoder, tile by tile: the whole picture's frames in a tile's memory.

Layer by layer: a layer's output for all tiles rests in main memory, and the next layer reads each tile from there with
a border as wide as its convolutions reach. So neighbouring tiles overlap by just what they share, nothing has to be
blended, and no seam can show. The group norms, whose statistics are over the whole picture, get them from all tiles
(`SharedNorms`); the attention of the middle block, at the latents' own size, sees the whole picture, a frame at a time.
What comes out is what the decoder gives for the whole picture, but for rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor

from exvideo_infer.shared_norms import SharedNorms, StatisticsMissing

SMALLEST = 8  # latents along a tile's side: of less, most of the work would be borders
TILE_SIZE = 256  # pixels
Keep = Callable[[Sequence[int], Tensor], Tensor]  # a shape, and a tensor of the dtype -> a tensor that rests


@dataclass(frozen=True)
class Layer:
    """A part of the decoder.

    Args:
        run: from (frames, channels, height, width) to the same, perhaps of other channels and multiplied in size.
        reach: pixels of its input, beyond each side of a tile, that the tile's output depends on; None where that is
            all of a frame, and of no other.
    """

    run: Callable[[Tensor], Tensor]
    reach: int | None


def check_tile_size(tile_size: int, scale: int) -> None:
    """Raises ValueError if pictures cannot be decoded in tiles of so many pixels along a side.

    Args:
        tile_size: pixels.
        scale: pixels a latent, along a side.
    """
    if tile_size < SMALLEST * scale or tile_size % scale:
        raise ValueError(f"decode_tile_size is {tile_size}: give a multiple of {scale}, {SMALLEST * scale} or more.")


def keep_in_main_memory(shape: Sequence[int], like: Tensor) -> Tensor:
    """A tensor of that shape and of the dtype of another, without values."""
    return torch.empty(shape, dtype=like.dtype)


@apply_forward_hook
def decode_tiled(vae: Any, latents: Tensor, tile_size: int, dry_keep: Keep | None = None) -> Tensor:
    """Decodes frames of one clip together, as `vae.decode` does, in the memory of a tile.

    Beside the tile, the device holds the decoded frames, and the attention of one frame at the latents' size. Main
    memory holds the input and the output of one layer.

    Args:
        vae: an `AutoencoderKLTemporalDecoder`, perhaps with hooks of offloading; no other thread uses it.
        latents: (frames, channels, height, width), divided by the scaling factor, on the device that it computes on.
        tile_size: pixels along a tile's side; see `check_tile_size`.
        dry_keep: for tensors without memory: makes those in which layers' outputs rest, and of each layer the largest
            tile alone is run, twice.

    Returns:
        (frames, 3, height * scale, width * scale), in [-1, 1] but for what the decoder overshoots.

    Raises:
        ValueError: the VAE is of another structure, or the tiles are too small.
    """
    decoder = vae.decoder
    if type(decoder).__name__ != "TemporalDecoder":
        raise ValueError(
            f"The VAE's decoder is {type(decoder).__name__}, and tiles are cut for Stable Video Diffusion's "
            "TemporalDecoder alone: leave decode_tile_size out."
        )
    scale = 2 ** (len(decoder.up_blocks) - 1)
    check_tile_size(tile_size, scale)
    device, states = latents.device, latents
    *layers, last = _layers(decoder)
    for layer in layers:
        side = tile_size // scale * states.shape[-1] // latents.shape[-1]
        states = _run(layer, states, side, device, dry_keep or keep_in_main_memory, dry_keep is not None)
    return _run(last, states, tile_size, device, _keep_there, dry_keep is not None)


def _keep_there(shape: Sequence[int], like: Tensor) -> Tensor:
    return like.new_empty(shape)


def _layers(decoder: Any) -> Iterator[Layer]:
    """The decoder in its order. What enlarges a picture is run with the layer behind, so that no result of it rests."""
    before: Any = decoder.conv_in
    for number, block in enumerate(decoder.mid_block.resnets):
        if number:
            yield Layer(decoder.mid_block.attentions[number - 1], reach=None)
        yield Layer(partial(_in_space, block.spatial_res_block, before), reach=2 if before is None else 3)
        yield Layer(partial(_in_time, block), reach=0)
        before = None
    for up in decoder.up_blocks:
        for block in up.resnets:
            yield Layer(partial(_in_space, block.spatial_res_block, before), reach=2)  # 3 of the enlarged picture's
            yield Layer(partial(_in_time, block), reach=0)
            before = None
        before = None if up.upsamplers is None else up.upsamplers[0]
    yield Layer(partial(_to_pixels, decoder), reach=1)


def _in_space(block: Any, before: Any, states: Tensor) -> Tensor:
    made: Tensor = block(states if before is None else before(states), None)
    return made


def _in_time(block: Any, states: Tensor) -> Tensor:
    clip = states.movedim(0, 1)[None]
    told = torch.zeros(1, len(states), dtype=states.dtype, device=states.device)  # no frame is a picture of its own
    made: Tensor = block.time_mixer(clip, block.temporal_res_block(clip, None), told)[0]
    return made.movedim(1, 0)


def _to_pixels(decoder: Any, states: Tensor) -> Tensor:
    colours = decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(states)))
    made: Tensor = decoder.time_conv_out(colours.movedim(0, 1)[None])[0]
    return made.movedim(1, 0)


def _run(layer: Layer, states: Tensor, side: int, device: torch.device, keep: Keep, is_dry: bool) -> Tensor:
    """A layer's output, in the place of its input where that is free."""
    if layer.reach is None:
        for frame in range(1 if is_dry else len(states)):
            states[frame] = layer.run(states[frame : frame + 1].to(device))[0]
        return states
    norms, made = SharedNorms(), states if layer.reach == 0 else None
    tiles = list(_tiles(states.shape[-2], states.shape[-1], side, layer.reach))
    if is_dry:
        tiles = [max(tiles, key=lambda tile: tile.size[0] * tile.size[1])] * 2  # the second is run beside the output
    while True:
        for tile in tiles:
            try:
                with norms.tile(tile.core, tile.size):
                    out = layer.run(states[..., *tile.region].contiguous().to(device))
            except StatisticsMissing:
                continue
            scale = out.shape[-1] // tile.size[1]
            if made is None:
                made = keep((*out.shape[:2], *(length * scale for length in states.shape[-2:])), out)
            made[..., *_scaled(tile.place, scale)] = out[..., *_scaled(tile.core, scale)]
            del out
        if not norms.settle():
            assert made is not None
            return made


Region = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class _Tile:
    """A tile's place in the picture without its border, with it, and the place within the latter."""

    place: Region
    region: Region
    core: Region

    @property
    def size(self) -> tuple[int, int]:
        rows, columns = self.region
        return rows.stop - rows.start, columns.stop - columns.start


def _tiles(height: int, width: int, side: int, reach: int) -> Iterator[_Tile]:
    for row in range(0, height, side):
        for column in range(0, width, side):
            rows, columns = (_cut(*one, side, reach) for one in ((row, height), (column, width)))
            yield _Tile(*zip(rows, columns, strict=True))


def _cut(start: int, length: int, side: int, reach: int) -> tuple[slice, slice, slice]:
    stop = min(start + side, length)
    first, last = max(start - reach, 0), min(stop + reach, length)
    return slice(start, stop), slice(first, last), slice(start - first, stop - first)


def _scaled(region: Region, scale: int) -> Region:
    rows, columns = (slice(one.start * scale, one.stop * scale) for one in region)
    return rows, columns
