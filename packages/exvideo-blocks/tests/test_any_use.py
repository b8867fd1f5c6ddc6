"""Ordinary uses of a model, of an extended one: compile, mixed precision, copies, several processes."""

import copy
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, restore
from torch import Tensor

MakeUnet = Callable[..., Any]


def svd_inputs(frames: int, batch: int = 1) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(batch, frames, 8, 8, 8, generator=generator)
    context = torch.randn(batch, 1, 32, generator=generator)
    return sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]] * batch)


def motion_inputs(frames: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    video, text = torch.randn(1, 4, frames, 8, 8, generator=generator), torch.randn(1, 5, 32, generator=generator)
    return video, torch.tensor(7), text.expand(frames, -1, -1).contiguous()


def run(unet: Any, *args: Tensor) -> Tensor:
    with torch.no_grad():
        return unet(*args).sample


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
compiles = pytest.mark.skipif(
    DEVICE == "cpu" and shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on a CPU"
)


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run that is killed while it compiles leaves a truncated library in the shared cache, for ever.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


@pytest.mark.long
@compiles
@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("tokens", [1, 3])
def test_a_temporal_block_compiles_without_a_break(tiny_unet: MakeUnet, tokens: int) -> None:
    unet = tiny_unet().to(DEVICE)
    extend(unet, ExtensionConfig(num_frames=12))
    block = unet.mid_block.attentions[0].temporal_transformer_blocks[0]
    x, context = torch.randn(2 * 12, 6, 64, device=DEVICE), torch.randn(2, tokens, 32, device=DEVICE)
    compiled = torch.compile(block, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, 12, context), block(x, 12, context), rtol=1e-5, atol=1e-5)


@pytest.mark.long
@compiles
@pytest.mark.usefixtures("fresh_cache")
def test_a_motion_block_compiles_without_a_break(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet().to(DEVICE)
    extend(unet, ExtensionConfig(num_frames=20))
    block = unet.mid_block.motion_modules[0].transformer_blocks[0]
    x = torch.randn(6, 20, 64, device=DEVICE)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(block, fullgraph=True)(x), block(x), rtol=1e-5, atol=1e-5)


@pytest.mark.long
@compiles
@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_a_whole_site_compiles_and_its_gradients_are_the_same(
    tiny_unet: MakeUnet, tiny_motion_unet: MakeUnet, family: str
) -> None:
    torch.manual_seed(0)
    images = torch.randn(12, 64, 4, 4, device=DEVICE)
    if family == "svd":
        unet = tiny_unet().to(DEVICE)
        arguments = (torch.randn(12, 3, 32, device=DEVICE), torch.zeros(1, 12, device=DEVICE), False)
    else:
        unet, arguments = tiny_motion_unet(motion_max_seq_length=8).to(DEVICE), (None, None, None, 12)
    extension = extend(unet, ExtensionConfig(num_frames=12))
    name = next(name for name in extension.sites() if "mid_block" in name)
    site, gradients = unet.get_submodule(name), []
    for module in (site, torch.compile(site, fullgraph=True)):
        unet.zero_grad()
        output = module(images, *arguments)
        (output[0] if family == "svd" else output).square().mean().backward()
        gradients.append({name: p.grad for name, p in site.named_parameters() if p.grad is not None})
    plain, compiled = gradients
    assert plain.keys() == compiled.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(compiled[name], gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("level", ["full", "lora"])
def test_under_autocast_it_equals_its_base(tiny_unet: MakeUnet, tiny_motion_unet: MakeUnet, level: str) -> None:
    for unet, args in ((tiny_unet(), svd_inputs(8)), (tiny_motion_unet(), motion_inputs(16))):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            before = run(unet, *args)
            extend(unet, ExtensionConfig(num_frames=20, level=level))
            assert torch.equal(run(unet, *args), before)


@pytest.mark.parametrize("level", ["full", "attention"])
def test_channels_last_models_and_inputs(tiny_unet: MakeUnet, tiny_motion_unet: MakeUnet, level: str) -> None:
    unet, args = tiny_motion_unet(), motion_inputs(20)
    extend(unet, ExtensionConfig(num_frames=20, level=level))
    expected = run(unet, *args)
    unet.to(memory_format=torch.channels_last)
    torch.testing.assert_close(run(unet, *args), expected, rtol=1e-4, atol=1e-5)

    unet = tiny_unet()
    extend(unet, ExtensionConfig(num_frames=12, level=level))
    site = unet.down_blocks[0].attentions[0]
    images, context = torch.randn(12, 32, 8, 8), torch.randn(12, 1, 32)
    with torch.no_grad():
        plain, last = (
            site(images.to(memory_format=form), context, torch.zeros(1, 12), return_dict=False)[0]
            for form in (torch.contiguous_format, torch.channels_last)
        )
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", ["full", "lora"])
def test_a_deep_copy_is_extended_on_its_own(tiny_unet: MakeUnet, tiny_motion_unet: MakeUnet, level: str) -> None:
    for unet, short, long in (
        (tiny_unet(), svd_inputs(8), svd_inputs(12)),
        (tiny_motion_unet(), motion_inputs(16), motion_inputs(20)),
    ):
        base = run(unet, *short)
        extend(unet, ExtensionConfig(num_frames=20, level=level))
        expected = run(unet, *long)
        twin = copy.deepcopy(unet)
        assert torch.equal(run(twin, *long), expected)
        restore(twin)
        assert torch.equal(run(twin, *short), base)
        assert torch.equal(run(unet, *long), expected)


def test_a_model_cast_after_mounting_is_restored_in_its_new_type(tiny_motion_unet: MakeUnet) -> None:
    unet = tiny_motion_unet()
    extend(unet, ExtensionConfig(num_frames=20))
    unet.to(torch.bfloat16)
    restore(unet)
    cast = tiny_motion_unet().to(torch.bfloat16)
    assert all(torch.equal(value, unet.state_dict()[name]) for name, value in cast.state_dict().items())


DDP = """
import sys, torch, torch.distributed as dist
from tiny_world.small_base import build_components
from exvideo_blocks import ExtensionConfig, extend, save_extension
from torch.nn.parallel import DistributedDataParallel

rank, port, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
unet = build_components(unet_channels=(32, 64), vae_channels=(32, 32, 32), cross_attention_dim=32)["unet"]
extension = extend(unet, ExtensionConfig(num_frames=12))
trained = extension.trainable_parameters(context_tokens=1)
model = DistributedDataParallel(unet)  # finds no parameter unused, or it would raise in the second step
optimizer = torch.optim.AdamW(trained.values(), lr=1e-3)
for step in range(2):
    optimizer.zero_grad()
    generator = torch.Generator().manual_seed(10 * step + rank)
    sample, context = torch.randn(1, 12, 8, 4, 6, generator=generator), torch.randn(1, 1, 32, generator=generator)
    model(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]])).sample.square().mean().backward()
    optimizer.step()
save_extension(extension, f"{out}/{rank}.safetensors")
dist.destroy_process_group()
"""


@pytest.mark.long
def test_two_processes_train_one_extension(tiny_unet: MakeUnet, tmp_path: Path) -> None:
    from exvideo_blocks.files.weights import read_safetensors

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    commands = [[sys.executable, "-c", DDP, str(rank), port, str(tmp_path)] for rank in range(2)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    first, second = (read_safetensors(tmp_path / f"{rank}.safetensors")[0] for rank in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    untrained = extend(tiny_unet(), ExtensionConfig(num_frames=12))
    learning = untrained.trainable_parameters(context_tokens=1)
    changed = {name for name, value in untrained.named_parameters().items() if not torch.equal(first[name], value)}
    assert changed == set(learning)
