import pytest
import torch
from exvideo_blocks.layers import FrameTable, IdentityConv3d
from torch.nn import functional as F


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 32, 5, 4, 6), (2, 32, 1, 4, 4), (1, 32, 3, 1, 5), (1, 32, 1, 1, 1)])
def test_a_new_identity_convolution_changes_no_bit(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape).to(dtype)
    assert torch.equal(IdentityConv3d(32, dtype=dtype)(x), x)


def test_edges_are_reflected() -> None:
    conv = IdentityConv3d(4).double()
    torch.nn.init.normal_(conv.weight)
    x = torch.randn(1, 4, 3, 4, 5).double()
    expected = F.conv3d(F.pad(x, (1,) * 6, mode="reflect"), conv.weight, conv.bias)
    torch.testing.assert_close(conv(x), expected)


def test_an_axis_of_length_one_stands_in_for_its_own_neighbours() -> None:
    conv = IdentityConv3d(4).double()
    torch.nn.init.normal_(conv.weight)
    x = torch.randn(1, 4, 1, 4, 5).double()
    still = conv(x.expand(-1, -1, 3, -1, -1))  # three equal frames: reflection sees the same neighbours
    torch.testing.assert_close(conv(x), still[:, :, 1:2])


def test_frames_beyond_the_table_are_refused() -> None:
    with pytest.raises(ValueError, match="num_frames=9 is beyond the 8 frames"):
        FrameTable(torch.zeros(8, 4))(9)
