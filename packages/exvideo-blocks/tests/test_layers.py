from typing import Any

import pytest
import torch
from exvideo_blocks.layers import FrameTable, FrozenLinear, IdentityConv3d
from exvideo_blocks.twins import twin_of, twin_with_own
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode


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


SHAPES = [(1, 4, 3, 4, 5), (2, 4, 2, 2, 3), (1, 4, 1, 3, 2), (2, 4, 1, 1, 1)]


def padded(x: torch.Tensor) -> torch.Tensor:
    """By PyTorch, where an axis is long enough; else its own value stands in."""
    for axis in (2, 3, 4):
        length = x.shape[axis]
        before, after = min(1, length - 1), max(length - 2, 0)
        x = torch.cat([x.narrow(axis, before, 1), x, x.narrow(axis, after, 1)], dim=axis)
    return x


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_convolution_and_its_gradients_are_pytorch_s(shape: tuple[int, ...], channels_last: bool) -> None:
    conv = IdentityConv3d(4).double()
    torch.nn.init.normal_(conv.weight)
    x = torch.randn(shape, dtype=torch.float64)
    if channels_last:
        x = x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    added = torch.randn(*shape[:3], 1, 1, dtype=torch.float64)
    inputs = [x.requires_grad_(), added.requires_grad_(), conv.weight, conv.bias]
    expected = F.conv3d(padded(x + added), conv.weight, conv.bias)
    found = conv(x, added)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, gradient), torch.autograd.grad(expected, inputs, gradient)
    )
    assert torch.equal(conv(x), conv(x, torch.zeros_like(added)))
    assert torch.autograd.gradcheck(conv, inputs[:2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_trained_it_is_the_bits_of_reflection_padding(dtype: torch.dtype) -> None:
    conv = IdentityConv3d(32, dtype=dtype)
    torch.nn.init.normal_(conv.weight, std=0.1)
    tokens = torch.randn(2, 5, 4, 6, 32).to(dtype)
    video = tokens.permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        assert torch.equal(conv(video), F.conv3d(F.pad(video, (1,) * 6, mode="reflect"), conv.weight, conv.bias))


def test_its_gradient_needs_no_atomics() -> None:
    """`reflection_pad3d` has a backward that adds in any order on a GPU, and PyTorch refuses it where asked to."""
    conv, x = IdentityConv3d(4), torch.randn(1, 4, 3, 4, 5, requires_grad=True)
    names: set[str] = set()

    class Named(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            names.add(str(func))
            return func(*args, **(kwargs or {}))

    with Named():
        conv(x).sum().backward()
    assert any("convolution_backward" in name for name in names)
    assert not [name for name in names if "pad" in name or "index" in name or "scatter" in name]


def test_compiled_the_convolution_is_the_same() -> None:
    conv, x, added = IdentityConv3d(4), torch.randn(1, 4, 3, 4, 5, requires_grad=True), torch.randn(1, 4, 3, 1, 1)
    torch.nn.init.normal_(conv.weight)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    found, expected = compiled(x, added), conv(x, added)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x)[0] for y in (found, expected)))


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
