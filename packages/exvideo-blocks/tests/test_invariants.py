"""Invariants of every family at every level, in every precision: one matrix over tiny random models."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, load_extension, restore, save_extension
from exvideo_blocks.levels import LEVELS
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BASE, LONG = 4, 7  # frames of the base and of the extension

# Of outputs near 1: in fp16 and bf16 some four times the distance of one number from the next.
BATCH_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}

MakeBase = Callable[[str, torch.dtype], Any]


def run(model: Any, family: str, frames: int, clips: list[int], dtype: torch.dtype, tokens: int = 1) -> Tensor:
    """The model's output, a clip a row, for the clips of these seeds."""
    samples, contexts = [], []
    for seed in clips:
        generator = torch.Generator().manual_seed(seed)
        samples.append(torch.randn(frames, 8, 4, 6, generator=generator))
        contexts.append(torch.randn(tokens, 32, generator=generator))
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


# All of them take minutes: without the long ones every level is looked at in fp32, and "full" in bf16.
CELLS = [
    pytest.param(
        family, dtype, level, id=f"{family}-{dtype}-{level}",
        marks=() if dtype == torch.float32 or (dtype, level) == (torch.bfloat16, "full") else pytest.mark.long,
    )
    for family, dtype, level in itertools.product(
        ("svd", "animatediff"), (torch.float32, torch.float64, torch.bfloat16, torch.float16), LEVELS
    )
]  # fmt: skip


@pytest.mark.parametrize(("family", "dtype", "level"), CELLS)
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


@pytest.mark.parametrize(
    ("family", "dtype", "level", "tokens"),
    [
        *(pytest.param(*cell.values, 1, id=cell.id, marks=cell.marks) for cell in CELLS),
        *(("svd", torch.float32, level, 3) for level in LEVELS),  # of a base that reads text
    ],
)
def test_steps_change_what_the_level_names_and_nothing_else(
    make_base: MakeBase, family: str, dtype: torch.dtype, level: str, tokens: int
) -> None:
    model = make_base(family, dtype)
    extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
    trained = extension.trainable_parameters(context_tokens=tokens)
    assert tokens == 1 or trained.keys() == extension.named_parameters().keys()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    scale, eps = (1024, 1e-4) if dtype == torch.float16 else (1, 1e-8)  # the smallest number of fp16 is 6e-8
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2, eps=eps)
    for step in range(4):
        optimizer.zero_grad()
        frames, clips = ((LONG, [step]), (BASE, [step, step + 1]), (1, [step]))[step % 3]
        output = run(model, family, frames, clips, dtype, tokens).float()
        (scale * output.square().mean()).backward()
        got_gradient = {parameter for parameter in model.parameters() if parameter.grad is not None}
        assert got_gradient == set(trained.values())
        optimizer.step()
    changed = {parameter for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == set(trained.values())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("family", "dtype", "level"), CELLS)
@torch.no_grad()
def test_saved_and_loaded_it_computes_the_same_and_a_batch_is_its_clips(
    make_base: MakeBase, tmp_path: Path, family: str, dtype: torch.dtype, level: str
) -> None:
    model = make_base(family, dtype)
    extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
    disturb(extension)
    save_extension(extension, tmp_path / "extension.safetensors")
    other = make_base(family, dtype)
    load_extension(other, tmp_path / "extension.safetensors")
    for frames in (1, BASE, LONG):
        both = run(model, family, frames, [1, 2], dtype)
        assert torch.equal(run(other, family, frames, [1, 2], dtype), both)
        each = torch.cat([run(model, family, frames, [clip], dtype) for clip in (1, 2)])
        torch.testing.assert_close(each, both, rtol=0, atol=BATCH_TOLERANCE[dtype])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_checkpointing_gives_the_same_gradients(make_base: MakeBase, family: str, level: str) -> None:
    gradients = []
    for saving in (False, True):
        model = make_base(family, torch.float32)
        extension = extend(model, ExtensionConfig(num_frames=LONG, level=level))
        disturb(extension)
        called: list[int] = []

        def save(function: Any, *args: Any, called: list[int] = called) -> Any:
            called.append(id(getattr(function, "__self__", function)))
            return checkpoint(function, *args, use_reentrant=False)

        if saving:
            model.enable_gradient_checkpointing(save)
        run(model.train(), family, LONG, [1], torch.float32).square().mean().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        for site in extension.sites().values():
            saved_parts = [site] if family == "svd" else list(site.transformer_blocks)
            assert all((id(part) in called) == saving for part in saved_parts)
    plain, saved = gradients
    assert plain.keys() == saved.keys()
    assert all(torch.equal(plain[name], saved[name]) for name in plain)


@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_temporal_blocks_alone_can_be_computed_anew(make_base: MakeBase, family: str) -> None:
    kept, gradients = {}, {}
    for way in ("none", "temporal", "all"):
        model = make_base(family, torch.float32)
        extension = extend(model, ExtensionConfig(num_frames=LONG))
        disturb(extension)
        if way == "all":
            model.enable_gradient_checkpointing()
        extension.set_temporal_checkpointing(way == "temporal")
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: s.append(x.nbytes) or x, lambda x: x):
            loss = run(model.train(), family, LONG, [1], torch.float32).square().mean()
        kept[way] = sum(sizes)
        loss.backward()
        gradients[way] = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert gradients["none"].keys() == gradients["temporal"].keys() == gradients["all"].keys()
    for name, gradient in gradients["none"].items():
        assert torch.equal(gradient, gradients["temporal"][name])
        assert torch.equal(gradient, gradients["all"][name])
    assert kept["all"] < 0.9 * kept["temporal"] < 0.8 * kept["none"], kept
