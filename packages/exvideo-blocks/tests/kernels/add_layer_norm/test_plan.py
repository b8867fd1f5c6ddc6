import pytest
from exvideo_blocks.kernels.add_layer_norm.plan import MAX_CHANNELS, chunks_of, probed_width, tile_of


@pytest.mark.parametrize("channels", [*range(1, 100), 320, 640, 1280, 2048, 2049, MAX_CHANNELS])
def test_a_tile_holds_its_rows(channels: int) -> None:
    tile = tile_of(channels)
    assert channels <= tile.block_c < 2 * channels
    assert tile_of(probed_width(channels)) == tile
    for number in (tile.block_rows, tile.block_c, tile.num_warps):
        assert number & (number - 1) == 0  # Triton's arange, and its warps, are powers of two
    assert tile.block_rows * tile.block_c <= 32 * 32 * tile.num_warps  # numbers in 32 registers of every thread


@pytest.mark.parametrize("channels", [5, 320, 2048])
@pytest.mark.parametrize("groups", [1, 2, 128, 5000])
@pytest.mark.parametrize("group_rows", [1, 31, 64, 4096, 100_003])
def test_chunks_hold_every_row_once(groups: int, group_rows: int, channels: int) -> None:
    tile = tile_of(channels)
    chunks, tiles = chunks_of(groups, group_rows, tile)
    assert tiles & (tiles - 1) == 0
    assert (chunks - 1) * tiles * tile.block_rows < group_rows <= chunks * tiles * tile.block_rows
