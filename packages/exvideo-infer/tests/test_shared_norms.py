"""Group norms of a picture that is seen tile by tile: those of the whole picture."""

import pytest
import torch
from exvideo_infer.shared_norms import SharedNorms, StatisticsMissing
from torch import Tensor, nn
from torch.nn import functional as F

TILES = [(slice(0, 4), slice(0, 6)), (slice(0, 4), slice(6, 8)), (slice(4, 8), slice(0, 6)), (slice(4, 8), slice(6, 8))]


def pointwise() -> nn.Sequential:
    """A network of two norms and no borders: what a tile gives does not hang on its neighbours but by the norms."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 8, 1), nn.GroupNorm(4, 8))


def by_tiles(network: nn.Module, values: Tensor) -> tuple[Tensor, int]:
    """The network's answer to all tiles, and how often it was run over them."""
    norms, out, passes = SharedNorms(), torch.empty(len(values), 8, *values.shape[2:]), 0
    while True:
        passes += 1
        for tile in TILES:
            part = values[..., tile[0], tile[1]]
            rows, columns = part.shape[-2:]
            with norms.tile((slice(0, rows), slice(0, columns)), (rows, columns)):
                try:
                    out[..., tile[0], tile[1]] = network(part)
                except StatisticsMissing:
                    continue
        if not norms.settle():
            return out, passes


@pytest.mark.parametrize("frames", [None, 3])
def test_tiles_have_the_norms_of_the_whole_picture(frames: int | None) -> None:
    network = pointwise()
    shape = (2, 4, 8, 8) if frames is None else (2, 4, frames, 8, 8)
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * torch.linspace(0.1, 4, 8)
    if frames is not None:
        kind = (nn.Conv3d(4, 8, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv3d(8, 8, 1), nn.GroupNorm(4, 8))
        network = nn.Sequential(*kind)
    with torch.no_grad():
        whole = network(values)
        tiled, passes = by_tiles(network, values)
        assert passes == 3  # one a norm, and one that reaches the end
        assert torch.allclose(tiled, whole, atol=2e-5)
        alone = network(values[..., :4, :6])
        assert (alone - whole[..., :4, :6]).abs().max() > 0.1  # which a tile by itself has not


def test_other_threads_and_later_calls_are_left_alone() -> None:
    values, before = torch.randn(1, 4, 8, 8), F.group_norm
    norms = SharedNorms()
    with norms.tile((slice(0, 8), slice(0, 8)), (8, 8)), pytest.raises(StatisticsMissing):
        F.group_norm(values, 2)
    assert F.group_norm is before
    assert torch.equal(F.group_norm(values, 2), nn.GroupNorm(2, 4, affine=False)(values))
