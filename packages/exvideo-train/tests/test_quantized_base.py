"""Low-rank updates beside a base in few bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend
from exvideo_infer import load_base
from exvideo_train.cli import main
from exvideo_train.quantized_base import QuantizedWeight, quantize_base
from torch import Tensor, nn

MakeConfig = Callable[..., Path]
# Bytes a weight of float32, and the relative error of uniformly drawn weights: 3 bits of a mantissa; 16 numbers.
SIZES = {"fp8": 1.1 / 4, "nf4": 0.6 / 4}
ERRORS = {"fp8": (0.02, 0.03), "nf4": (0.07, 0.1)}


def answer(network: Any) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    video = torch.randn(1, 10, 8, 4, 4, generator=draw)
    tokens = torch.randn(1, 1, network.config.cross_attention_dim, generator=draw)
    return network(video, torch.tensor(0.3), tokens, torch.tensor([[6.0, 127.0, 0.02]])).sample


@pytest.mark.parametrize("precision", ["fp8", "nf4"])
def test_frozen_weights_take_few_bits_and_the_answer_is_near(tiny_base_dir: Path, precision: str) -> None:
    network = load_base(str(tiny_base_dir)).network
    extension = extend(network, ExtensionConfig(num_frames=10, level="lora"))
    extension.trainable_parameters(context_tokens=1)
    with torch.no_grad():
        before = answer(network)
    owners = [network, *extension.originals.values()]
    done = quantize_base([module for owner in owners for module in owner.modules()], precision)
    with torch.no_grad():
        after = answer(network)
    layers = [m for owner in owners for m in owner.modules() if isinstance(m, nn.Linear)]
    assert all(isinstance(layer._parameters["weight"], QuantizedWeight) for layer in layers)
    assert done.bytes_after < SIZES[precision] * done.bytes_before
    assert ERRORS[precision][0] < done.error < ERRORS[precision][1]
    relative = ((after - before).norm() / before.norm()).item()
    print(precision, done, f"relative error of the answer {relative:.2%}")
    assert 0 < relative < 2 * ERRORS[precision][1]


@pytest.mark.parametrize("precision", ["fp8", "nf4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_those_of_the_weights_that_are_used(precision: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    layer = nn.Linear(96, 64).requires_grad_(False)
    quantize_base([layer], precision)
    whole = nn.Linear(96, 64).requires_grad_(False)
    whole.load_state_dict({"weight": layer.weight.whole(torch.float32), "bias": layer.bias})
    layer.bias.data, whole = layer.bias.to(dtype), whole.to(dtype)
    kept: list[int] = []
    inputs = [torch.randn(3, 5, 96, generator=draw).to(dtype).requires_grad_()] * 2
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.nbytes) or x, lambda x: x):
        output = layer(inputs[0])
    assert sum(kept) == 0  # no whole weight waits for the backward pass
    expected = whole(inputs[1])
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    for one, other in zip(
        torch.autograd.grad(output.square().sum(), inputs[0]),
        torch.autograd.grad(expected.square().sum(), inputs[1]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp8", pytest.param("nf4", marks=pytest.mark.long)])
def test_a_run_on_a_quantized_base_resumes_to_the_same_bits(
    make_config: MakeConfig, runs: Any, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        "extension": {"num_frames": 10, "level": "lora"},
        "engine.zero_stage": 0,
        "engine.precision": "bf16",
        "engine.base_precision": precision,
        "optimizer.steps": 2,
        "checkpoint.every": 1,
    }
    assert main(["--config", str(make_config("whole", **settings))]) == 0
    assert "frozen linear layers went from 0.0" in capsys.readouterr().err
    for steps in (1, 2):
        assert main(["--config", str(make_config("broken", **settings | {"optimizer.steps": steps}))]) == 0
    runs.assert_same_end("whole", "broken", 2)
    plain = make_config("plain", **settings | {"engine.base_precision": "same"})
    assert main(["--config", str(plain)]) == 0
    losses = torch.tensor([runs.figures(name, "loss") for name in ("whole", "plain")])
    assert (losses[0] != losses[1]).all()
    torch.testing.assert_close(losses[0], losses[1], rtol=0.05, atol=0)
