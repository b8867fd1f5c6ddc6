"""Taking an extension off gives the base's bits or says what changed, half-way and in wrappers, too."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, lengthen, restore
from exvideo_blocks.guards import REFUSED
from torch import nn

from .models import (
    CELLS,
    Extended,
    MakeBase,
    bits,
    layers_of_peft,
    put,
    run,
    same,
    style,
    unload,
)

peft = pytest.importorskip("peft")


@pytest.mark.parametrize(("family", "level"), [(f, level) for f, level in CELLS if level not in ("full", "temporal")])
def test_weights_of_the_base_that_somebody_trained_are_named_by_restore(
    extended: Extended, family: str, level: str
) -> None:
    model, extension, _ = extended(family, level)
    own = {id(parameter) for parameter in extension.named_parameters().values()}
    with torch.no_grad():
        for parameter in model.parameters():
            if id(parameter) not in own:
                parameter.add_(0.01)
    with pytest.warns(
        UserWarning, match=r"\d+ tensors of the base's temporal sites were changed while the model was ex"
    ):
        restore(model)


@pytest.mark.parametrize("how", ["data", "new parameter", "assign", "cast and back", "buffer"])
def test_every_way_of_changing_the_base_s_bits_is_named(extended: Extended, how: str) -> None:
    model, _, base = extended("animatediff", "position")
    site = model.mid_block.motion_modules[0]
    model = copy.deepcopy(model) if how == "data" else model  # a copy knows as well
    site = model.mid_block.motion_modules[0]
    if how == "data":
        site.norm.weight.data.mul_(2)
    elif how == "new parameter":
        site.norm.weight = nn.Parameter(torch.full_like(site.norm.weight, 3.0))
    elif how == "assign":
        state = {name: value + 1 for name, value in model.state_dict().items()}
        model.load_state_dict(state, assign=True)
    elif how == "buffer":
        site.transformer_blocks[0].pos_embed.pe.mul_(2)
    else:
        model.half().float()
    with pytest.warns(
        UserWarning, match="tensors of the base's temporal sites were changed while the model was extended"
    ):
        restore(model)
    assert not same(bits(model), base)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("family", "level"), CELLS)
def test_nothing_is_said_of_a_base_that_is_as_it_was(extended: Extended, family: str, level: str) -> None:
    model, _, base = extended(family, level)
    model.load_state_dict(model.state_dict())
    model.double().float()
    restore(model)
    assert same(bits(model), base)


@pytest.mark.parametrize("step", ["disable", "enable"])
def test_a_swap_that_fails_half_way_leaves_all_as_it_was(
    extended: Extended, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    model, extension, _ = extended("animatediff", "full")
    if step == "enable":
        extension.disable()
    model.double()
    before, calls, moved = run(model, 4), [0], nn.Module.to

    def to(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        calls[0] += 1
        if calls[0] == 2:
            raise torch.OutOfMemoryError("no memory")
        return moved(module, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "to", to)
        with pytest.raises(torch.OutOfMemoryError):
            getattr(extension, step)()
    assert extension.is_enabled == (step == "disable")
    assert torch.equal(run(model, 4), before)
    getattr(extension, step)()
    restore(model)


def test_a_mount_that_fails_half_way_leaves_the_base(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    from exvideo_blocks import extension, mount

    model = make_base("animatediff", torch.float32)
    before, whole = run(model, 4), bits(model)
    for module, name in ((mount, "start_lora"), (extension, "guard")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda *_: (_ for _ in ()).throw(MemoryError()))
            with pytest.raises(MemoryError):
                extend(model, ExtensionConfig(num_frames=7, level="lora"))
        assert same(bits(model), whole)
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert torch.equal(run(model, 4), before)
    extend(model, ExtensionConfig(num_frames=7))


@pytest.mark.parametrize("wrapper", ["compile", "peft"])
def test_a_wrapped_model_is_restored_whole(extended: Extended, wrapper: str) -> None:
    model, _, base = extended("animatediff", "lora")
    if wrapper == "compile":
        restore(torch.compile(model, backend="eager"))
    else:
        spatial = peft.LoraConfig(r=2, target_modules=r".*attentions\.\d+\.transformer_blocks\.0\.attn2\.to_k")
        wrapped = peft.get_peft_model(model, spatial)
        assert layers_of_peft(model)
        restore(wrapped)
        unload(model)
    assert not set(vars(model)) & {*REFUSED, "fuse_lora", "_exvideo_extension"}
    assert same(bits(model), base)
    if wrapper == "compile":
        assert all(parameter.requires_grad for parameter in model.parameters())


def test_an_extension_that_was_taken_off_does_nothing(extended: Extended, tmp_path: Path) -> None:
    model, old, _ = extended("animatediff", "lora")
    lengthen(model, 9)
    with pytest.raises(ValueError, match="This extension was taken off its model"):
        old.disable()
    with pytest.raises(ValueError, match="save_pretrained on an extended model"):
        model.save_pretrained(tmp_path / "out")


def test_what_trains_elsewhere_goes_on_training(extended: Extended) -> None:
    model, _, _ = extended("animatediff", "lora")
    model.load_lora_adapter(style(model, "spatial"), prefix=None, adapter_name="mine")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad or ".lora_" in name)
    training = {name for name, p in model.named_parameters() if p.requires_grad and ".lora_" in name}
    assert training
    lengthen(model, 9)
    assert {name for name, p in model.named_parameters() if p.requires_grad and ".lora_" in name} == training
    restore(model)
    assert {name for name, p in model.named_parameters() if p.requires_grad and ".lora_" in name} == training


def test_fused_for_good_it_is_not_lengthened_without_a_word(extended: Extended) -> None:
    model, _, _ = extended("animatediff", "conv")
    put(model, style(model))
    model.fuse_lora()
    model.unload_lora()
    before = run(model)
    with pytest.raises(ValueError, match=r"Adapters were fused into \d+ frozen weights of this extension"):
        lengthen(model, 9)
    assert torch.equal(run(model), before)


@pytest.mark.parametrize("kind", ["OFTConfig", "DoRA"])
def test_adapters_that_multiply_are_not_fused_beside_our_updates(extended: Extended, kind: str) -> None:
    for level in ("lora", "conv"):
        model, _, _ = extended("animatediff", level)
        if kind == "DoRA":
            config = peft.LoraConfig(r=2, target_modules=["to_q"], use_dora=True, init_lora_weights=False)
        else:
            config = peft.OFTConfig(oft_block_size=8, target_modules=["to_q"])
        model.add_adapter(config, "a")
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "oft_R" in name or "magnitude" in name:
                    parameter.add_(0.3 * torch.randn_like(parameter))
        before = run(model)
        if level == "lora":
            with pytest.raises(ValueError, match="would scale or turn the weights below an adapter"):
                model.fuse_lora()
        else:
            model.fuse_lora()
        torch.testing.assert_close(run(model), before, rtol=1e-3, atol=1e-3)


def test_copies_of_modules_that_could_not_be_taken_off_are_refused(extended: Extended) -> None:
    model, _, base = extended("animatediff", "lora")
    config = peft.LoraConfig(r=2, target_modules=["to_q"], modules_to_save=["norm1"])
    with pytest.raises(ValueError, match=r"modules_to_save=\['norm1'\] trains copies of modules of the model"):
        model.add_adapter(config, "a")
    restore(model)
    assert same(bits(model), base)
