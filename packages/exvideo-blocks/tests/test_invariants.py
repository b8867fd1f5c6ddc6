"""What must hold of every family at every level, in every precision: one matrix over tiny random models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, restore
from exvideo_blocks.levels import LEVELS
from torch import Tensor

BASE, LONG = 4, 7  # frames of the base and of the extension

MakeBase = Callable[[str, torch.dtype], Any]


@pytest.fixture
def make_base(tiny_motion_unet: Callable[..., Any]) -> MakeBase:
    """Makes a base model of 4 frames and one level: make_base("svd" or "animatediff", dtype)."""
    from diffusers import UNetSpatioTemporalConditionModel

    def make(family: str, dtype: torch.dtype) -> Any:
        if family == "animatediff":
            one_level = {"down_block_types": ["CrossAttnDownBlockMotion"], "up_block_types": ["CrossAttnUpBlockMotion"]}
            return tiny_motion_unet(motion_max_seq_length=BASE, block_out_channels=[32], **one_level).to(dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            config: dict[str, Any] = {
                "down_block_types": ["CrossAttnDownBlockSpatioTemporal"],
                "up_block_types": ["CrossAttnUpBlockSpatioTemporal"],
                "block_out_channels": [32],
                "layers_per_block": 1,
                "num_attention_heads": 2,
                "cross_attention_dim": 32,
                "addition_time_embed_dim": 32,
                "projection_class_embeddings_input_dim": 96,
                "num_frames": BASE,
            }
            return UNetSpatioTemporalConditionModel(**config).eval().to(dtype)

    return make


def run(model: Any, family: str, frames: int, clips: list[int], dtype: torch.dtype, height: int = 4) -> Tensor:
    """The model's output, a clip a row, for the clips of these seeds."""
    samples, contexts = [], []
    for seed in clips:
        generator = torch.Generator().manual_seed(seed)
        samples.append(torch.randn(frames, 8, height, 6, generator=generator))
        contexts.append(torch.randn(1, 32, generator=generator))
    sample, context, time = torch.stack(samples).to(dtype), torch.stack(contexts).to(dtype), torch.tensor(0.3)
    if family == "svd":
        return model(sample, time, context, torch.tensor([[6.0, 127.0, 0.02]] * len(clips))).sample
    video = sample[:, :, :4].transpose(1, 2).contiguous()
    return model(video, time, context.repeat_interleave(frames, dim=0)).sample


def disturb(extension: Extension, scale: float = 0.05) -> None:
    """Random values in every parameter of the extension, as after training."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator).to(parameter))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
@torch.no_grad()
def test_a_new_extension_equals_its_base_and_restoring_gives_it_back(
    make_base: MakeBase, family: str, dtype: torch.dtype, level: str
) -> None:
    model = make_base(family, dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    calls = [(frames, clips) for frames in (1, 3, BASE) for clips in ([1], [1, 2])]
    expected = [run(model, family, *call, dtype) for call in calls]

    extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
    for call, output in zip(calls, expected, strict=True):
        # In fp64 alone, PyTorch's matrix product on a CPU rounds a row by its place among the others.
        atol = 1e-14 if dtype == torch.float64 else 0
        torch.testing.assert_close(run(model, family, *call, dtype), output, rtol=0, atol=atol)

    disturb(extension)
    assert not torch.equal(run(model, family, *calls[-1], dtype), expected[-1])
    restore(model)
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(run(model, family, *calls[-1], dtype), expected[-1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_ten_steps_change_what_the_level_names_and_nothing_else(
    make_base: MakeBase, family: str, dtype: torch.dtype, level: str
) -> None:
    model = make_base(family, dtype)
    extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
    trained = extension.trainable_parameters(context_tokens=1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    for step in range(10):
        optimizer.zero_grad()
        run(model, family, LONG, [step], dtype).float().square().mean().backward()
        got_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert got_gradient == set(trained)
        optimizer.step()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == set(trained)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
@torch.no_grad()
def test_saved_and_loaded_it_computes_the_same_and_a_batch_is_its_clips(
    make_base: MakeBase, tmp_path: Path, family: str, dtype: torch.dtype, level: str
) -> None:
    model = make_base(family, dtype)
    extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
    disturb(extension)
    extension.save(tmp_path / "extension.safetensors")
    other = make_base(family, dtype)
    Extension.load(tmp_path / "extension.safetensors", other)
    for frames in (1, BASE, LONG):
        both = run(model, family, frames, [1, 2], dtype)
        assert torch.equal(run(other, family, frames, [1, 2], dtype), both)
        if dtype != torch.bfloat16:
            each = torch.cat([run(model, family, frames, [clip], dtype) for clip in (1, 2)])
            atol = 1e-12 if dtype == torch.float64 else 1e-5
            torch.testing.assert_close(each, both, rtol=0, atol=atol)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_checkpointing_gives_the_same_gradients(make_base: MakeBase, family: str, level: str) -> None:
    gradients = []
    for saving in (False, True):
        model = make_base(family, torch.float32)
        extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
        disturb(extension)
        if saving:
            model.enable_gradient_checkpointing()
        run(model.train(), family, LONG, [1], torch.float32).square().mean().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    plain, saved = gradients
    assert plain.keys() == saved.keys()
    assert all(torch.equal(plain[name], saved[name]) for name in plain)
