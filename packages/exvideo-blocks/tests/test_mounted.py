"""All that diffusers and peft offer on a model, done to an extended one: it works or is refused; see docs/mounted.md.

Their public methods are enumerated, so that a new one fails here until it is judged.
"""

import copy
import inspect
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    LEVELS,
    Extension,
    ExtensionConfig,
    extend,
    lengthen,
    load_extension,
    restore,
    save_extension,
)
from exvideo_blocks.guards import REFUSED
from torch import Tensor, nn
from torch.nn.utils import prune

peft = pytest.importorskip("peft")

MakeBase = Callable[[str, torch.dtype], Any]
FAMILIES = ("svd", "animatediff")
CELLS = list(itertools.product(FAMILIES, LEVELS))
FEW_CELLS = [
    pytest.param(family, level, marks=() if level in ("full", "lora") else pytest.mark.long) for family, level in CELLS
]
LINEARS = {
    "everywhere": lambda name: name.endswith(("to_q", "to_v")),
    "spatial": lambda name: name.endswith(("to_q", "to_v")) and "motion" not in name and "temporal" not in name,
}
FLOAT8 = torch.float8_e4m3fn


def run(model: Any, frames: int = 6) -> Tensor:
    family = "svd" if type(model).__name__ == "UNetSpatioTemporalConditionModel" else "animatediff"
    generator = torch.Generator().manual_seed(1)
    dtype = next(p.dtype for p in model.parameters() if p.dtype != FLOAT8)
    sample = torch.randn(1, frames, 8 if family == "svd" else 4, 4, 6, generator=generator).to(dtype)
    context = torch.randn(1, 1, 32, generator=generator).to(dtype)
    with torch.no_grad():
        if family == "svd":
            return model(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]]).to(dtype)).sample
        return model(sample.transpose(1, 2), torch.tensor(7), context.repeat(frames, 1, 1)).sample


def disturb(extension: Extension) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def bits(model: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first
    )


@pytest.fixture
def extended(make_base: MakeBase) -> Callable[[str, str], tuple[Any, Extension, dict[str, Tensor]]]:
    """Makes an extended model whose extension has learnt something, and the bits of its base."""

    def make(family: str, level: str) -> tuple[Any, Extension, dict[str, Tensor]]:
        model = make_base(family, torch.float32)
        base = bits(model)
        extension = extend(model, ExtensionConfig(num_frames=7, level=level))
        disturb(extension)
        return model, extension, base

    return make


Extended = Callable[[str, str], tuple[Any, Extension, dict[str, Tensor]]]


def style(model: nn.Module, where: str = "everywhere") -> dict[str, Tensor]:
    """The tensors of a LoRA of rank 2 for some layers of a model, in the names of diffusers."""
    generator, tensors = torch.Generator().manual_seed(2), {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and LINEARS[where](name):
            tensors[f"{name}.lora_A.weight"] = torch.randn(2, module.in_features, generator=generator)
            tensors[f"{name}.lora_B.weight"] = 0.1 * torch.randn(module.out_features, 2, generator=generator)
    return tensors


@torch.no_grad()
def with_style(model: Any, tensors: dict[str, Tensor]) -> Tensor:
    """The output of a model with a LoRA: computed on this model, whose weights it is added to; to be thrown away."""
    for key in tensors:
        if ".lora_A." in key:
            name = key.removesuffix(".lora_A.weight")
            layer = model.get_submodule(name)
            layer.weight.data += tensors[f"{name}.lora_B.weight"] @ tensors[key]
    return run(model)


def put(model: Any, tensors: dict[str, Tensor], name: str = "mine") -> None:
    """A LoRA beside a model's weights: diffusers' way where the class has it, else peft's own."""
    if hasattr(type(model), "load_lora_adapter"):
        model.load_lora_adapter(dict(tensors), prefix=None, adapter_name=name)
        return
    layers = [key.removesuffix(".lora_A.weight") for key in tensors if ".lora_A." in key]
    config = peft.LoraConfig(r=2, lora_alpha=2, target_modules=layers)
    peft.inject_adapter_in_model(config, model, name)
    peft.set_peft_model_state_dict(model, dict(tensors), adapter_name=name)


def layers_of_peft(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, peft.tuners.tuners_utils.BaseTunerLayer)]


def unload(model: nn.Module) -> None:
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    recurse_remove_peft_layers(model)
    if hasattr(model, "peft_config"):
        del model.peft_config
    model._hf_peft_config_loaded = False


close = {"rtol": 1e-4, "atol": 2e-5}


# --- a style LoRA beside a length extension --------------------------------------------------------------------------


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


# --- every method of diffusers' models -------------------------------------------------------------------------------

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
# Tests of their own, below or above.
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
    document = Path(__file__).parents[3] / "docs" / "mounted.md"
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


# --- hooks, casts, offloading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_layerwise_casting_works_and_is_not_taken_off_unsaid(
    extended: Extended, tmp_path: Path, family: str, level: str
) -> None:
    model, extension, _ = extended(family, level)
    model.enable_layerwise_casting(storage_dtype=FLOAT8, compute_dtype=torch.float32)
    rounded = extended(family, level)[0]
    for name, module in model.named_modules():
        if any(parameter.dtype == FLOAT8 for parameter in module.parameters(recurse=False)):
            for parameter in rounded.get_submodule(name).parameters(recurse=False):
                parameter.data = parameter.data.to(FLOAT8).float()
    torch.testing.assert_close(run(model), run(rounded), **close)
    for off in (
        extension.disable,
        lambda: restore(model),
        lambda: save_extension(extension, tmp_path / "e.safetensors"),
    ):
        with pytest.raises(ValueError, match=r"runs through hooks of a library \(offloading, layerwise casting\)"):
            off()
    assert extension.is_enabled
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sequential", "group", "disk"])
@pytest.mark.parametrize(("family", "level"), [("svd", "full"), ("animatediff", "lora"), ("animatediff", "position")])
def test_offloaded_it_runs_and_is_not_taken_off_unsaid(
    extended: Extended, tmp_path: Path, family: str, level: str, kind: str
) -> None:
    accelerate = pytest.importorskip("accelerate")
    model, extension, base = extended(family, level)
    before = run(model)
    if kind == "sequential":
        accelerate.cpu_offload(model, torch.device("cpu"))
    else:
        where = {"offload_to_disk_path": str(tmp_path / "disk")} if kind == "disk" else {}
        model.enable_group_offload(torch.device("cpu"), offload_type="leaf_level", **where)
    with pytest.raises(ValueError, match=r"runs through hooks of a library.*remove_hook_from_module"):
        restore(model)
    with pytest.raises(ValueError, match="runs through hooks of a library"), extension.disabled():
        pass
    with pytest.raises(ValueError, match="runs through hooks of a library"):
        save_extension(extension, tmp_path / "e.safetensors")
    if kind != "disk":
        torch.testing.assert_close(run(model), before)
    if kind == "sequential":
        accelerate.hooks.remove_hook_from_module(model, recurse=True)
        assert torch.equal(run(model), before)
        restore(model)
        assert same(bits(model), base)


# --- quantised, compiled, fused, FreeNoise ---------------------------------------------------------------------------


class QuantisedLinear(nn.Linear):
    """As bitsandbytes keeps them: packed bytes in place of a weight."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None)
        self.weight = nn.Parameter(torch.zeros(linear.weight.numel() // 2, 1, dtype=torch.uint8), requires_grad=False)


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_a_quantised_base_is_refused_by_name(make_base: MakeBase, family: str, level: str) -> None:
    model = make_base(family, torch.float32)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and "time_embed" not in name:
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, QuantisedLinear(module))
    whole = bits(model)
    with pytest.raises(ValueError, match=r"QuantisedLinear.*Parameter of torch.uint8.*without quantisation"):
        extend(model, ExtensionConfig(num_frames=7, level=level))
    assert same(bits(model), whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_quantised_after_it_was_extended_it_is_not_saved(extended: Extended, tmp_path: Path, family: str) -> None:
    model, extension, _ = extended(family, "lora")
    attention = next(
        m for name, m in model.named_modules() if name.endswith("attn1") and ("motion" in name or "temporal" in name)
    )
    attention.to_q = QuantisedLinear(attention.to_q)
    for refused in (lambda: save_extension(extension, tmp_path / "e.safetensors"), lambda: restore(model)):
        with pytest.raises(ValueError, match="a QuantisedLinear in the place of its LowRankLinear"):
            refused()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("family", "level"), CELLS)
def test_fused_projections_are_refused_before(make_base: MakeBase, family: str, level: str) -> None:
    model = make_base(family, torch.float32)
    plain = run(model, 4)
    model.fuse_qkv_projections()
    for attention in (module for module in model.modules() if type(module).__name__ == "Attention"):
        attention.fuse_projections()  # which the method itself leaves out in SVD's
    with pytest.raises(ValueError, match=r"has fused projections.*model.unfuse_qkv_projections\(\) first"):
        extend(model, ExtensionConfig(num_frames=7, level=level))
    model.unfuse_qkv_projections()
    for attention in (module for module in model.modules() if type(module).__name__ == "Attention"):
        attention.fused_projections = False
    assert extend(model, ExtensionConfig(num_frames=7, level=level)).is_enabled
    restore(model)
    torch.testing.assert_close(run(model, 4), plain)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_compiled_model_is_refused_by_name(
    extended: Extended, make_base: MakeBase, tmp_path: Path, family: str
) -> None:
    save_extension(extended(family, "full")[1], tmp_path / "e.safetensors")
    compiled = torch.compile(make_base(family, torch.float32), backend="eager")
    with pytest.raises(ValueError, match="This model is compiled: extend the model that was given"):
        load_extension(compiled, tmp_path / "e.safetensors")


def test_the_base_s_motion_blocks_take_no_free_noise_while_extended(extended: Extended) -> None:
    from diffusers.pipelines.free_noise_utils import AnimateDiffFreeNoiseMixin

    class Pipeline(AnimateDiffFreeNoiseMixin):
        def __init__(self, unet: Any) -> None:
            self.unet = unet
            self.motion_adapter = unet
            self.device, self.dtype = unet.device, unet.dtype

    model, _, _ = extended("animatediff", "full")
    before, whole, pipeline = run(model), bits(model), Pipeline(model)
    with pytest.raises(ValueError, match=r"FreeNoise replaces.*disable_free_noise\(\).*No block was replaced"):
        pipeline.enable_free_noise(context_length=4)
    pipeline.disable_free_noise()
    assert not pipeline.free_noise_enabled
    assert same(bits(model), whole)
    assert torch.equal(run(model), before)
    pipeline.enable_free_noise_split_inference(spatial_split_size=5, temporal_split_size=4)
    torch.testing.assert_close(run(model), before, **close)
    with pytest.raises(ValueError, match="a SplitInferenceModule in the place of its"):
        restore(model)


def test_split_inference_of_an_extended_model_computes_the_same(extended: Extended) -> None:
    model, _, _ = extended("animatediff", "attention")
    site = model.mid_block.motion_modules[0]
    from diffusers.pipelines.free_noise_utils import SplitInferenceModule

    before = run(model)
    for index, block in enumerate(site.transformer_blocks):
        site.transformer_blocks[index] = SplitInferenceModule(block, 5, 0, ["hidden_states"])
    torch.testing.assert_close(run(model), before, **close)


# --- writes in place that nobody can take back -----------------------------------------------------------------------


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


# --- half-way, in wrappers, after the end ----------------------------------------------------------------------------


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


# --- other ways to a layer's weight ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", ["parametrize", "prune", "weight_norm"])
def test_a_layer_that_is_pruned_or_parametrized_runs_and_says_so_when_it_is_saved(
    extended: Extended, tmp_path: Path, level: str, how: str
) -> None:
    model, extension, base = extended("animatediff", level)
    layer, before = model.mid_block.motion_modules[0].transformer_blocks[0].attn1.to_q, run(model)
    if how == "parametrize":
        torch.nn.utils.parametrize.register_parametrization(layer, "weight", nn.Identity())
    elif how == "prune":
        prune.identity(layer, "weight")
    else:
        torch.nn.utils.parametrizations.weight_norm(layer)
    torch.testing.assert_close(run(model), before, **close)
    if level in ("full", "temporal", "attention"):
        with pytest.raises(ValueError, match="is no parameter of its layer any more, as pruning"):
            save_extension(extension, tmp_path / "e.safetensors")
    else:
        save_extension(extension, tmp_path / "e.safetensors")
    restore(model)
    assert same(bits(model), base)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", ["prune", "parametrize"])
def test_a_base_that_is_pruned_or_parametrized_is_refused(make_base: MakeBase, level: str, how: str) -> None:
    model = make_base("animatediff", torch.float32)
    layer = model.mid_block.motion_modules[0].transformer_blocks[0].attn1.to_q
    if how == "prune":
        prune.identity(layer, "weight")
    else:
        torch.nn.utils.parametrizations.weight_norm(layer)
    with pytest.raises(ValueError, match="is pruned or parametrized, and an extension shares and copies plain weights"):
        extend(model, ExtensionConfig(num_frames=7, level=level))


def test_a_replica_and_a_training_layer_keep_their_tensors(extended: Extended) -> None:
    from torch.nn.parallel.replicate import _replicatable_module

    model, _, _ = extended("animatediff", "lora")
    assert _replicatable_module(model)
    layer = model.mid_block.motion_modules[0].transformer_blocks[0].attn1.to_q
    replica, before = layer._replicate_for_data_parallel(), layer._parameters["weight"]
    for name, parameter in layer._parameters.items():
        replica._parameters.pop(name, None)
        setattr(replica, name, None if parameter is None else parameter.detach().clone())
    for name in ("update_down", "update_up"):
        setattr(replica, name, getattr(layer, name).detach())
    x = torch.randn(2, layer.in_features)
    assert torch.equal(replica(x), layer(x))
    assert layer._parameters["weight"] is before
    layer.requires_grad_(True)
    assert layer.weight is before  # in an optimizer, perhaps


def test_processors_of_single_attentions_are_not_ignored_in_silence(extended: Extended) -> None:
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    class Louder(AttnProcessor):
        pass

    model, extension, _ = extended("svd", "full")
    attention = model.mid_block.attentions[0].temporal_transformer_blocks[0].attn1
    with pytest.raises(ValueError, match="is to have, a Louder"):
        attention.set_processor(Louder())
    attention.set_processor(AttnProcessor2_0())
    with extension.disabled(), pytest.raises(ValueError, match="is to have, a Louder"):
        model.set_attn_processor(Louder())


def test_changes_of_a_base_that_waits_for_its_extension(extended: Extended) -> None:
    model, extension, _ = extended("animatediff", "position")
    with extension.disabled():
        for name in ("freeze_unet2d_params", "load_motion_modules"):
            with pytest.raises(ValueError, match=f"{name} on an extended model"):
                getattr(model, name)()
    extension.disable()
    kept = model.mid_block.motion_modules[0]
    model.mid_block.motion_modules[0] = nn.Identity()
    with pytest.raises(ValueError, match="in the place of its AnimateDiffTransformer3D"):
        extension.enable()
    model.mid_block.motion_modules[0] = kept
    extension.enable()


def test_a_model_that_got_its_values_after_it_was_extended_says_so(make_base: MakeBase) -> None:
    state = make_base("animatediff", torch.float32).state_dict()
    with torch.device("meta"):
        model = make_base("animatediff", torch.float32)
    extension = extend(model, ExtensionConfig(num_frames=7, level="position"))
    model.to_empty(device="cpu")
    model.load_state_dict(state, strict=False)
    for off in (extension.disable, lambda: restore(model)):
        with pytest.raises(ValueError, match="Load the base's weights first, and extend it then"):
            off()
