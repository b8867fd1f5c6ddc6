"""Every method that diffusers and peft offer on a model, on an extended one: works or is refused; docs/mounted.md.

They are enumerated, so that a new one fails here until it is judged.
"""

import inspect
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import LEVELS, Extension, restore
from exvideo_blocks.guards import REFUSED
from torch import nn

from .models import (
    CELLS,
    FAMILIES,
    FEW_CELLS,
    Extended,
    MakeBase,
    bits,
    close,
    layers_of_peft,
    put,
    run,
    same,
    style,
    unload,
    with_style,
)

peft = pytest.importorskip("peft")


Judgement = Callable[[Any, Extension, Path], None]


def _processors(model: Any, *_: Any) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    model.set_attn_processor(AttnProcessor())


def _forward_chunking(model: Any, *_: Any) -> None:
    model.enable_forward_chunking(1, 1)


def _adapter(model: Any, *_: Any) -> None:
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q"]), "new")  # it starts as nothing


def _loaded(name: str, *arguments: Any) -> Judgement:
    def judge(model: Any, *_: Any) -> None:
        model.load_lora_adapter(style(model, "spatial"), prefix=None, adapter_name="mine")
        model.set_adapters("mine", 0.0)
        getattr(model, name)(*arguments)

    return judge


def _file(name: str, adapter: bool = False) -> Judgement:
    def judge(model: Any, extension: Extension, tmp_path: Path) -> None:
        if adapter:
            model.load_lora_adapter(style(model, "spatial"), prefix=None, adapter_name="mine")
            model.set_adapters("mine", 0.0)
            getattr(model, name)(tmp_path, adapter_name="mine")
        else:
            getattr(model, name)(tmp_path / "config.json" if "json" in name else tmp_path)

    return judge


def _call(name: str, *arguments: Any, **options: Any) -> Judgement:
    def judge(model: Any, *_: Any) -> None:
        getattr(model, name)(*arguments, **options)

    return judge


def _freeu(model: Any, *_: Any) -> None:
    plain = run(model)
    model.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
    assert plain.isfinite().all()
    model.disable_freeu()


# The output is what it was before (close to it, where another kernel rounds otherwise).
SAME: dict[str, Judgement] = {
    "active_adapters": _loaded("active_adapters"),
    "add_adapter": _adapter,
    "delete_adapters": _loaded("delete_adapters", "mine"),
    "disable_adapters": _loaded("disable_adapters"),
    "disable_lora": _loaded("disable_lora"),
    "disable_forward_chunking": _call("disable_forward_chunking"),
    "disable_freeu": _freeu,
    "disable_gradient_checkpointing": _call("disable_gradient_checkpointing"),
    "disable_xformers_memory_efficient_attention": _call("disable_xformers_memory_efficient_attention"),
    "enable_adapters": _loaded("enable_adapters"),
    "enable_forward_chunking": _forward_chunking,
    "enable_freeu": _freeu,
    "enable_gradient_checkpointing": _call("enable_gradient_checkpointing"),
    "enable_lora": _loaded("enable_lora"),
    "fuse_lora": _loaded("fuse_lora"),
    "get_memory_footprint": _call("get_memory_footprint"),
    "load_lora_adapter": _loaded("active_adapters"),
    "num_parameters": _call("num_parameters"),
    "register_to_config": _call("register_to_config", note="ours"),
    "reset_attention_backend": _call("reset_attention_backend"),
    "save_config": _file("save_config"),
    "save_lora_adapter": _file("save_lora_adapter", adapter=True),
    "set_adapter": _loaded("set_adapter", "mine"),
    "set_adapters": _loaded("set_adapters", "mine", 0.0),
    "set_attn_processor": _processors,
    "set_default_attn_processor": _call("set_default_attn_processor"),
    "set_use_memory_efficient_attention_xformers": _call("set_use_memory_efficient_attention_xformers", False),
    "to_json_file": _file("to_json_file"),
    "to_json_string": _call("to_json_string"),
    "unfuse_lora": _loaded("unfuse_lora"),
    "unload_lora": _loaded("unload_lora"),
}
# Tests of their own, in test_hooks.py.
OWN = {"enable_group_offload", "enable_layerwise_casting"}
# They make a model or read a file, and are asked of the class.
OF_THE_CLASS = {
    "extract_init_dict", "from_config", "from_pretrained", "from_unet2d", "get_config_dict", "load_config",
    "register_for_auto_class",
}  # fmt: skip
# They fail on this base, too, and in the same words: other hardware, or a kind of model that this is not.
FAILING: dict[str, tuple[Any, ...]] = {
    "compile_repeated_blocks": (),
    "dequantize": (),
    "disable_npu_flash_attention": (),
    "disable_xla_flash_attention": (),
    "enable_npu_flash_attention": (),
    "enable_parallelism": (),
    "enable_xformers_memory_efficient_attention": (),
    "enable_xla_flash_attention": (),
    "enable_lora_hotswap": (),
    "load_attn_procs": (".",),
    "save_attn_procs": ("out",),
    "set_attention_backend": ("none such",),
    "set_use_npu_flash_attention": (True,),
    "set_use_xla_flash_attention": (True,),
}


def methods(model: Any) -> list[str]:
    """Public methods of a model's class that PyTorch's modules do not have."""
    own = (name for name, _ in inspect.getmembers(type(model), callable) if not name.startswith("_"))
    return [name for name in own if name not in dir(nn.Module)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_is_judged_here_and_in_the_docs(make_base: MakeBase, family: str) -> None:
    found = set(methods(make_base(family, torch.float32)))
    judged = set(SAME) | OWN | OF_THE_CLASS | set(FAILING) | set(REFUSED)
    assert found <= judged, f"judge {sorted(found - judged)}"
    document = Path(__file__).parents[4] / "docs" / "mounted.md"
    named = set(re.findall(r"`(\w+)`", document.read_text()))
    assert found <= named, f"docs/mounted.md lacks {sorted(found - named)}"


@pytest.mark.parametrize(("family", "level"), FEW_CELLS)
def test_the_methods_that_do_no_harm(extended: Extended, tmp_path: Path, family: str, level: str) -> None:
    model, extension, base = extended(family, level)
    before, learnt = run(model), {key: p.clone() for key, p in extension.named_parameters().items()}
    for name, judge in SAME.items():
        if not hasattr(type(model), name):
            continue
        judge(model, extension, tmp_path)
        torch.testing.assert_close(run(model), before, **close, msg=lambda text, name=name: f"{name}: {text}")
        assert same(learnt, dict(extension.named_parameters())), name
        assert all(parameter.requires_grad for parameter in extension.named_parameters().values()), name
        unload(model)
    restore(model)
    after = bits(model)
    base = {key: value for key, value in base.items() if "motion" in key or "temporal" in key}
    assert same({key: after[key] for key in base}, base)  # spatial layers were merged and unmerged, which rounds


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_the_methods_that_are_refused(extended: Extended, tmp_path: Path, family: str, level: str) -> None:
    model, extension, base = extended(family, level)
    before, whole = run(model), bits(model)
    offered = [name for name in REFUSED if hasattr(type(model), name)]
    assert len(offered) >= 4
    for name in offered:
        with pytest.raises(ValueError, match=f"{name} on an extended model {re.escape(REFUSED[name])}"):
            getattr(model, name)(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert same(bits(model), whole)
    assert torch.equal(run(model), before)
    with extension.disabled():
        assert set(vars(model)) & set(REFUSED) == {"load_motion_modules", "freeze_unet2d_params"} & set(offered)
        model.save_pretrained(tmp_path / "base")
    assert same(bits(type(model).from_pretrained(tmp_path / "base")), base)
    restore(model)
    assert not set(vars(model)) & {*REFUSED, "fuse_lora", "add_adapter", "set_attn_processor"}
    assert same(bits(model), base)


@pytest.mark.parametrize(("family", "name"), list(itertools.product(FAMILIES, FAILING)))
def test_a_method_that_fails_on_the_base_fails_alike(
    extended: Extended, make_base: MakeBase, family: str, name: str
) -> None:
    model, _, base = extended(family, "full")
    if not hasattr(type(model), name):
        return
    before, errors = run(model), []
    for one in (make_base(family, torch.float32), model):
        try:
            getattr(one, name)(*FAILING[name])
            errors.append("")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    assert errors[0] == errors[1]
    assert torch.equal(run(model), before)
    restore(model)
    assert same(bits(model), base)


# What the layers offer that peft puts around those of a model, apart from PyTorch's own methods.
OF_ITS_LAYERS = {
    "delete_adapter", "enable_adapters", "forward", "get_base_layer", "get_delta_weight", "loftq_init", "lora_ga_init",
    "merge", "mix_adapters", "olora_init", "orthogonal_init", "pissa_init", "corda_init", "resolve_lora_variant",
    "scale_layer", "set_adapter", "set_requires_grad", "set_scale", "unmerge", "unscale_layer", "update_layer",
    "eva_init",
    "dora_init", "supports_lora_conversion", "get_base_weight", "mica_init", "reset_lora_parameters",
    "set_base_weight",
}  # fmt: skip


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_the_methods_of_peft_s_layers(extended: Extended, family: str, level: str) -> None:
    model, extension, base = extended(family, level)
    tensors = style(model)
    put(model, tensors)
    both, learnt = run(model), {name: parameter.clone() for name, parameter in extension.named_parameters().items()}
    offered = [name for name, _ in inspect.getmembers(peft.tuners.lora.Linear, callable) if name not in dir(nn.Module)]
    found = {name for name in offered if not name.startswith("_")}
    assert found <= OF_ITS_LAYERS, f"judge {sorted(found - OF_ITS_LAYERS)}"
    alone = with_style(extended(family, level)[0], {})
    for layer in layers_of_peft(model):
        layer.set_scale("mine", 0.0)
    torch.testing.assert_close(run(model), alone, **close)
    for layer in layers_of_peft(model):
        layer.set_scale("mine", 1.0)
        layer.scale_layer(2.0)
        layer.unscale_layer(2.0)
        layer.set_adapter("mine")
        assert layer.get_delta_weight("mine").shape == layer.get_base_layer().weight.shape
        layer.enable_adapters(False)
    torch.testing.assert_close(run(model), alone, **close)
    for layer in layers_of_peft(model):
        layer.enable_adapters(True)
    torch.testing.assert_close(run(model), both, **close)
    assert same(learnt, dict(extension.named_parameters()))
    unload(model)
    restore(model)
    assert same(bits(model), base)


@pytest.mark.parametrize("start", ["pissa", "olora"])
@pytest.mark.parametrize("level", LEVELS)
def test_an_adapter_that_starts_from_the_weights_leaves_the_base_s_alone(
    extended: Extended, level: str, start: str
) -> None:
    model, extension, base = extended("animatediff", level)
    before, whole = run(model), bits(model)
    config = peft.LoraConfig(r=2, lora_alpha=2, target_modules=["to_q"], init_lora_weights=start)
    if level in ("full", "temporal", "attention"):
        with pytest.raises(ValueError, match=f"init_lora_weights='{start}' takes a part out of the weights"):
            model.add_adapter(config, "new")
        assert same(bits(model), whole)
        return
    learnt = {name: parameter.clone() for name, parameter in extension.named_parameters().items()}
    model.add_adapter(config, "new")
    torch.testing.assert_close(run(model), before, **close)
    assert same(learnt, dict(extension.named_parameters()))
    unload(model)
    restore(model)
    after = bits(model)
    assert all(torch.equal(after[name], value) for name, value in base.items() if "motion" in name)
