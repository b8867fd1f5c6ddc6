"""A style LoRA beside a length extension: they add up, and neither leaves a trace in the base."""

from pathlib import Path

import pytest
import torch
from exvideo_blocks import LEVELS, ExtensionConfig, extend, load_extension, restore, save_extension

from .models import CELLS, Extended, MakeBase, bits, close, layers_of_peft, put, run, same, style, unload, with_style

peft = pytest.importorskip("peft")


@pytest.mark.parametrize("where", ["everywhere", pytest.param("spatial", marks=pytest.mark.long)])
@pytest.mark.parametrize(("family", "level"), CELLS)
def test_a_style_lora_beside_it_adds_up_and_leaves_no_trace(
    extended: Extended, tmp_path: Path, family: str, level: str, where: str
) -> None:
    model, extension, base = extended(family, level)
    tensors = style(model, where)
    alone, both = run(model), with_style(extended(family, level)[0], tensors)
    assert (both - alone).abs().max() > 0.01
    learnt = {name: parameter.clone() for name, parameter in extension.named_parameters().items()}
    put(model, tensors)
    if family == "animatediff":  # by peft itself all else is frozen, as on any model
        assert all(parameter.requires_grad for parameter in extension.named_parameters().values())
    assert all(parameter.requires_grad for parameter in extension.trainable_parameters().values())
    torch.testing.assert_close(run(model), both, **close)
    save_extension(extension, tmp_path / "e.safetensors")
    assert same(learnt, dict(extension.named_parameters()))
    in_sites, with_base = where == "everywhere", run(model, 4)
    if in_sites:
        for off in (lambda: restore(model), extension.disable):
            with pytest.raises(ValueError, match=r"carries the adapters of peft \['mine'\].*take them off first"):
                off()
        torch.testing.assert_close(run(model), both, **close)
    else:
        with extension.disabled():
            assert not torch.equal(run(model, 4), with_base)
        assert torch.equal(run(model, 4), with_base)
    for layer in layers_of_peft(model):
        layer.delete_adapter("mine")
    assert torch.equal(run(model), alone)
    unload(model)
    assert torch.equal(run(model), alone)
    restore(model)
    assert same(bits(model), base)


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(("family", "level"), CELLS)
def test_what_peft_merges_stays_out_of_the_base(
    extended: Extended, tmp_path: Path, family: str, level: str, safe: bool
) -> None:
    model, extension, base = extended(family, level)
    tensors = style(model)
    both = with_style(extended(family, level)[0], tensors)
    learnt = {name: parameter.clone() for name, parameter in extension.named_parameters().items()}
    put(model, tensors)
    touches = level in ("full", "temporal", "attention")
    if family == "animatediff" and touches:
        with pytest.raises(
            ValueError, match=r"fuse_lora would add an adapter to \d+ parameters that this extension tr"
        ):
            model.fuse_lora(safe_fusing=safe)
        assert not any(layer.merged_adapters for layer in layers_of_peft(model))
        return
    if family == "animatediff":
        model.fuse_lora(safe_fusing=safe)
    else:
        for layer in layers_of_peft(model):
            layer.merge(safe_merge=safe)
    torch.testing.assert_close(run(model), both, **close)
    if touches:
        with pytest.raises(ValueError, match=r"fused into \d+ parameters of this extension.*unfuse_lora"):
            save_extension(extension, tmp_path / "e.safetensors")
    else:
        save_extension(extension, tmp_path / "e.safetensors")
        assert same(learnt, dict(extension.named_parameters()))
    with pytest.raises(ValueError, match=r"carries the adapters of peft \['mine'\]"):
        restore(model)
    for layer in layers_of_peft(model):
        layer.unmerge()
    torch.testing.assert_close(run(model), both, **close)
    for layer in layers_of_peft(model):
        layer.merge()
    unload(model)
    restore(model)
    sites = tuple(extension.originals)
    assert same(*[{k: v for k, v in values.items() if k.startswith(sites) and ("motion" in k or "temporal" in k)}
                  for values in (bits(model), base)])  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_our_updates_survive_all_that_a_style_lora_goes_through(
    extended: Extended, make_base: MakeBase, tmp_path: Path, level: str
) -> None:
    model, extension, base = extended("animatediff", level)
    alone, tensors = run(model), style(model, "spatial")
    both = with_style(extended("animatediff", level)[0], tensors)
    save_extension(extension, tmp_path / "e.safetensors")
    learnt = {name: parameter.clone() for name, parameter in extension.named_parameters().items()}
    model.load_lora_adapter(dict(tensors), prefix=None, adapter_name="default")
    torch.testing.assert_close(run(model), both, **close)
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=True), "other")
    model.set_adapters(["default"])
    torch.testing.assert_close(run(model), both, **close)
    model.set_adapters(["default", "other"], [0.0, 1.0])
    torch.testing.assert_close(run(model), alone, **close)
    model.disable_adapters()
    torch.testing.assert_close(run(model), alone, **close)
    model.enable_adapters()
    model.save_lora_adapter(tmp_path / "mine", adapter_name="default")
    from safetensors.torch import load_file

    assert set(load_file(tmp_path / "mine" / "pytorch_lora_weights.safetensors")) == set(tensors)
    model.delete_adapters(["other", "default"])
    assert torch.equal(run(model), alone)
    model.unload_lora()
    assert torch.equal(run(model), alone)
    assert same(learnt, dict(extension.named_parameters()))
    assert all(parameter.requires_grad for parameter in extension.named_parameters().values())
    restore(model)
    assert same(bits(model), base)

    before = make_base("animatediff", torch.float32)  # and mounted after the style was loaded, or was fused
    before.load_lora_adapter(dict(tensors), prefix=None, adapter_name="default")
    load_extension(before, tmp_path / "e.safetensors")
    torch.testing.assert_close(run(before), both, **close)
    before.fuse_lora()
    torch.testing.assert_close(run(before), both, **close)
    before.unfuse_lora()
    before.delete_adapters("default")
    before.unload_lora()
    torch.testing.assert_close(run(before), alone, **close)


def test_a_style_lora_in_spatial_layers_of_svd_is_the_base_s_own(extended: Extended, make_base: MakeBase) -> None:
    model = make_base("svd", torch.float32)
    put(model, style(model, "spatial"))
    before = run(model)
    extension = extend(model, ExtensionConfig(num_frames=7))
    with extension.disabled():
        assert torch.equal(run(model), before)
    restore(model)
    assert torch.equal(run(model), before)
