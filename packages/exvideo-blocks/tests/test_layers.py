import pytest
import torch
from exvideo_blocks.layers import FrameTable, FrozenLinear, IdentityConv3d
from exvideo_blocks.twins import twin_of, twin_with_own
from torch.nn import functional as F


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 32, 5, 4, 6), (2, 32, 1, 4, 4), (1, 32, 3, 1, 5), (1, 32, 1, 1, 1)])
def test_a_new_identity_convolution_changes_no_bit(dtype: torch.dtype, shape: tuple[int, ...], depthwise: bool) -> None:
    x = torch.randn(shape).to(dtype)
    assert torch.equal(IdentityConv3d(32, depthwise=depthwise, dtype=dtype)(x), x)


def test_a_depthwise_convolution_keeps_channels_apart() -> None:
    conv = IdentityConv3d(4, depthwise=True)
    torch.nn.init.normal_(conv.weight)
    x = torch.randn(1, 4, 3, 4, 5)
    other = x.clone()
    other[:, 2] += 1
    changed = (conv(x) != conv(other)).flatten(2).any(dim=2)[0]
    assert changed.tolist() == [False, False, True, False]


@pytest.mark.parametrize("depthwise", [False, True])
def test_a_model_with_the_convolution_can_be_made_channels_last(depthwise: bool) -> None:
    conv = IdentityConv3d(4, depthwise=depthwise)
    torch.nn.init.normal_(conv.weight)
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), conv)
    x, before = torch.randn(1, 4, 3, 4, 5), conv.weight.detach().clone()
    expected = conv(x)
    model.to(memory_format=torch.channels_last)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(conv.weight, before)
    assert torch.equal(conv(x), expected)
    assert model.to(torch.float64)[1].weight.dtype == torch.float64


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(24, 1, 32), (24, 3, 32), (6, 3, 64)])
def test_a_frozen_layer_rounds_as_it_did_before(dtype: torch.dtype, shape: tuple[int, int, int]) -> None:
    rows, frames, channels = shape
    linear = torch.nn.Linear(channels, channels).to(dtype)
    for x in (torch.randn(channels, frames, rows).to(dtype).permute(2, 1, 0), torch.randn(shape).to(dtype)):
        expected = linear.requires_grad_(True)(x)
        frozen = twin_of(linear.requires_grad_(False), FrozenLinear)
        assert torch.equal(frozen(x), expected)


def test_a_twin_has_its_own_of_what_it_owns_and_shares_the_rest() -> None:
    original = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Linear(2, 2)))
    twin = twin_with_own(original, lambda name: name == "1.0.weight")
    own = {name for name, parameter in twin.named_parameters() if parameter is not original.get_parameter(name)}
    assert own == {"1.0.weight"}
    assert torch.equal(twin[1][0].weight, original[1][0].weight)
    twin[1].append(torch.nn.Identity())
    twin[1][0].register_forward_hook(lambda *_: pytest.fail("a hook on the twin reached the original"))
    assert len(original[1]) == 1
    original(torch.zeros(1, 2))
    original.register_buffer("passing", torch.zeros(1))
    twin.register_buffer("passing", torch.zeros(1), persistent=False)
    assert "passing" in original.state_dict()
