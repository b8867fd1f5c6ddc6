"""Blocks compiled one by one compute what they did, and changing shapes do not compile them for ever."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, compile_blocks, extend, extension_of, networks_of, restore
from torch import Tensor

MakeBase = Callable[[str, torch.dtype], Any]


def run(unet: Any, family: str, num_frames: int = 6, size: int = 8, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if family == "svd":
        sample = torch.randn(batch, num_frames, 8, size, size, generator=generator)
        arguments = {"encoder_hidden_states": torch.ones(batch, 1, 32), "added_time_ids": torch.ones(batch, 3)}
    else:
        sample = torch.randn(batch, 4, num_frames, size, size, generator=generator)
        arguments = {"encoder_hidden_states": torch.ones(batch * num_frames, 5, 32)}
    return unet(sample, torch.tensor(1.0), return_dict=False, **arguments)[0]


def extended(make_base: MakeBase, family: str) -> Any:
    unet = make_base(family, torch.float32)
    extension = extend(unet, ExtensionConfig(num_frames=16))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in extension.trainable_parameters().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return unet


BOTH = ["svd", pytest.param("animatediff", marks=pytest.mark.long)]


@pytest.mark.long
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_shapes_that_change_are_symbols_from_then_on(make_base: MakeBase, family: str) -> None:
    torch._dynamo.reset()
    unet = extended(make_base, family)
    names = list(unet.state_dict())
    shapes = [(6, 8, 1), (9, 8, 1), (12, 16, 1), (7, 24, 1)]
    with torch.no_grad():
        expected = [run(unet, family, *shape) for shape in shapes]
        compiled = compile_blocks(unet, backend="aot_eager")
        graphs = []
        for shape, true in zip(shapes, expected, strict=True):
            torch.testing.assert_close(run(unet, family, *shape), true, rtol=1e-5, atol=1e-5)
            graphs.append(compiled.graphs)
    assert list(unet.state_dict()) == names
    assert graphs[0] > 0
    assert graphs[-1] == graphs[-2]  # the last sizes found every number a symbol
    assert graphs[-1] <= 5 * graphs[0]
    assert compiled.seconds > 0
    assert f"{len(compiled.names)} blocks compiled, {compiled.graphs} graphs in " in str(compiled)


@pytest.mark.long
@pytest.mark.parametrize("recomputed", ["all", "temporal"])
@pytest.mark.parametrize("family", BOTH)
def test_compiled_blocks_learn_the_same(make_base: MakeBase, family: str, recomputed: str) -> None:
    torch._dynamo.reset()
    unet = extended(make_base, family)
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    expected = torch.autograd.grad(run(unet, family).square().mean(), trained, allow_unused=True)
    if recomputed == "all":
        unet.enable_gradient_checkpointing()
    else:
        extension_of(unet).set_temporal_checkpointing(True)
    unet.train()
    compiled = compile_blocks(unet, backend="aot_eager")
    found = torch.autograd.grad(run(unet, family).square().mean(), trained, allow_unused=True)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert compiled.graphs > 0


@pytest.mark.long
def test_taken_off_the_base_s_bits_are_back(make_base: MakeBase) -> None:
    unet = make_base("svd", torch.float32)
    with torch.no_grad():
        before = run(unet, "svd", 4)
        extend(unet, ExtensionConfig(num_frames=16))
        compile_blocks(unet, backend="eager")
        run(unet, "svd")
        restore(unet)
        torch.testing.assert_close(run(unet, "svd", 4), before, rtol=1e-5, atol=1e-5)


def test_both_networks_of_a_pipeline_are_compiled(make_base: MakeBase) -> None:
    mixture = SimpleNamespace(unet=make_base("svd", torch.float32), unet_2=make_base("svd", torch.float32))
    one = compile_blocks(mixture.unet, backend="eager").names
    assert compile_blocks(mixture, backend="eager").names == [f"{name}.{at}" for name in vars(mixture) for at in one]
    assert networks_of(mixture) == vars(mixture)
    assert networks_of(SimpleNamespace(unet=mixture.unet, unet_2=None)) == {"unet": mixture.unet}
    assert networks_of(mixture.unet) == {"": mixture.unet}
    with pytest.raises(TypeError, match="holds no model that can be extended"):
        networks_of(SimpleNamespace(unet_2=mixture.unet))


def test_a_model_without_blocks_says_so() -> None:
    with pytest.raises(ValueError, match=r"Linear has no blocks that repeat: use torch\.compile on the model itself"):
        compile_blocks(torch.nn.Linear(2, 2))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_by_inductor_it_is_eager_to_1e_5(make_base: MakeBase, family: str) -> None:
    torch._dynamo.reset()
    unet = extended(make_base, family)
    with torch.no_grad():
        expected = [run(unet, family, frames) for frames in (6, 9, 12)]
        compiled = compile_blocks(unet)
        for frames, true in zip((6, 9, 12), expected, strict=True):
            torch.testing.assert_close(run(unet, family, frames), true, rtol=1e-5, atol=1e-5)
    print(compiled)
