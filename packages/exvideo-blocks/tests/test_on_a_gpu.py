"""On a GPU, where nobody has bit-for-bit equality to lose: equal within rounding, in fp32 without TF32."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore
from torch import Tensor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
MakeBase = Callable[[str, torch.dtype], Any]


@pytest.fixture(autouse=True)
def _whole_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def run(model: Any, family: str, frames: int, tokens: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    channels = 8 if family == "svd" else 4
    sample = torch.randn(2, frames, channels, 4, 6, generator=generator).cuda()
    context = torch.randn(2, tokens, 32, generator=generator).cuda()
    with torch.no_grad():
        if family == "svd":
            ids = torch.tensor([[6.0, 127.0, 0.02]] * 2).cuda()
            return model(sample, torch.tensor(0.3).cuda(), context, ids).sample
        words = context.repeat_interleave(frames, dim=0)
        return model(sample.transpose(1, 2).contiguous(), torch.tensor(7).cuda(), words).sample


@pytest.mark.parametrize("level", ["full", "attention", "position"])
@pytest.mark.parametrize(("family", "tokens"), [("svd", 1), ("svd", 3), ("animatediff", 1)])
def test_a_new_extension_equals_its_base(make_base: MakeBase, family: str, tokens: int, level: str) -> None:
    model = make_base(family, torch.float32).cuda()
    before = [run(model, family, frames, tokens) for frames in (1, 3, 4)]
    extend(model, ExtensionConfig(num_frames=7, level=level))
    for frames, output in zip((1, 3, 4), before, strict=True):
        torch.testing.assert_close(run(model, family, frames, tokens), output, rtol=1e-4, atol=1e-5)
    restore(model)
    torch.testing.assert_close(run(model, family, 4, tokens), before[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_a_trained_extension_computes_what_it_does_on_a_cpu(make_base: MakeBase, family: str) -> None:
    """With one token, a CPU multiplies a row for each position and a GPU a row a clip (docs/decisions/0003)."""
    model = make_base(family, torch.float32)
    extension = extend(model, ExtensionConfig(num_frames=7))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    on_a_gpu = run(model.cuda(), family, 7, 1)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "cuda", lambda tensor: tensor)
        on_a_cpu = run(model.cpu(), family, 7, 1)
    torch.testing.assert_close(on_a_gpu.cpu(), on_a_cpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_the_kept_originals_wait_in_main_memory(make_base: MakeBase, family: str) -> None:
    model = make_base(family, torch.float32).cuda()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extension = extend(model, ExtensionConfig(num_frames=7))
    kept = {id(p): p for site in extension.originals.values() for p in site.parameters()}
    in_model = {id(parameter) for parameter in model.parameters()}
    assert {p.device.type for key, p in kept.items() if key not in in_model} == {"cpu"}
    with extension.disabled():
        assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}
    restore(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
