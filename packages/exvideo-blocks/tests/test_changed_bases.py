"""Bases that somebody has done something to before, or does something to after, they are extended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend, extension_of, restore, save_extension
from exvideo_blocks.files.weights import read_safetensors
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

MakeBase = Callable[[str, torch.dtype], Any]
LONG = ExtensionConfig(num_frames=7)
TEMPORAL_BLOCKS = {
    "svd": "mid_block.attentions.0.temporal_transformer_blocks",
    "animatediff": "mid_block.motion_modules.0.transformer_blocks",
}
FAMILIES = list(TEMPORAL_BLOCKS)


def run(model: Any, family: str) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    channels = 8 if family == "svd" else 4
    sample = torch.randn(1, 3, channels, 4, 6, generator=generator)
    context = torch.randn(1, 1, 32, generator=generator)
    with torch.no_grad():
        if family == "svd":
            return model(sample, torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]])).sample
        return model(sample.transpose(1, 2), torch.tensor(7), context.repeat(3, 1, 1)).sample


def disturb(extension: Extension) -> None:
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.1)


def put_lora(model: nn.Module, targets: str, name: str = "mine") -> list[str]:
    """Random low-rank updates, as a motion LoRA or a style LoRA has; names of their tensors."""
    peft = pytest.importorskip("peft")
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False), model, name)
    return [parameter for parameter, _ in model.named_parameters() if ".lora_" in parameter]


# --- LoRA ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["full", "position", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_lora_in_the_temporal_sites_is_refused(make_base: MakeBase, family: str, level: str) -> None:
    model = make_base(family, torch.float32)
    assert put_lora(model, rf"{TEMPORAL_BLOCKS[family]}.*\.to_q")
    before = run(model, family)
    with pytest.raises(
        ValueError, match=r"carries the adapters of peft \['mine'\].*fuse or unload them \(unload_lora\)"
    ):
        extend(model, ExtensionConfig(num_frames=7, level=level))
    assert extension_of(model) is None
    assert torch.equal(run(model, family), before)


def test_lora_elsewhere_is_the_base_s_own(make_base: MakeBase, tmp_path: Path) -> None:
    model = make_base("animatediff", torch.float32)
    names = put_lora(model, r".*attentions\.\d+\.transformer_blocks.*\.to_q")
    model.requires_grad_(True)  # as loaded: peft freezes a base, whose motion modules round differently then
    before = run(model, "animatediff")
    extension = extend(model, LONG)
    assert torch.equal(run(model, "animatediff"), before)
    save_extension(extension, tmp_path / "e.safetensors")
    assert not set(names) & set(read_safetensors(tmp_path / "e.safetensors")[0])
    disturb(extension)
    restore(model)
    assert torch.equal(run(model, "animatediff"), before)


# --- hooks, compiled modules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["", ".0", ".0.attn1.to_q"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_module_with_a_forward_of_its_own_is_refused(make_base: MakeBase, family: str, part: str) -> None:
    hooks = pytest.importorskip("accelerate.hooks")
    model = make_base(family, torch.float32)
    name = f"{TEMPORAL_BLOCKS[family]}{part}" if part else TEMPORAL_BLOCKS[family].rpartition(".")[0]
    module = model.get_submodule(name)
    hooks.add_hook_to_module(module, hooks.ModelHook())
    message = rf"A {type(module).__name__} of this model has a forward of its own.*remove_hook_from_module"
    with pytest.raises(ValueError, match=message):
        extend(model, LONG)
    assert extension_of(model) is None
    assert all(parameter.requires_grad for parameter in model.parameters())
    hooks.remove_hook_from_module(model, recurse=True)
    never_hooked = make_base(family, torch.float32)
    for each in (model, never_hooked):
        disturb(extend(each, LONG))
    assert torch.equal(run(model, family), run(never_hooked, family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_site_that_was_compiled_is_extended_all_the_same(make_base: MakeBase, family: str) -> None:
    model = make_base(family, torch.float32)
    never_compiled = make_base(family, torch.float32)
    model.get_submodule(TEMPORAL_BLOCKS[family].rpartition(".")[0]).compile(backend="eager")
    for each in (model, never_compiled):
        disturb(extend(each, LONG))
    assert torch.equal(run(model, family), run(never_compiled, family))


# --- several types in one model --------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["full", "attention", "position"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_of_several_types_keeps_them(make_base: MakeBase, family: str, level: str) -> None:
    model = make_base(family, torch.bfloat16)
    for module in model.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.float()
    base = {name: value.clone() for name, value in model.state_dict().items()}

    def is_as_before(values: dict[str, Tensor]) -> bool:
        state = model.state_dict()
        return state.keys() == values.keys() and all(
            state[name].dtype == value.dtype and torch.equal(state[name], value) for name, value in values.items()
        )

    extension = extend(model, ExtensionConfig(num_frames=7, level=level))
    disturb(extension)
    extended = {name: value.clone() for name, value in model.state_dict().items()}
    with extension.disabled():
        assert is_as_before(base)
    assert is_as_before(extended)
    restore(model)
    assert is_as_before(base)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_of_several_types_that_moves_keeps_them_too(make_base: MakeBase, family: str) -> None:
    model = make_base(family, torch.bfloat16)
    for module in model.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.float()
    types = {name: value.dtype for name, value in model.state_dict().items()}
    extend(model, LONG)
    model.to("meta")
    with pytest.raises(ValueError, match="moved to the meta device, where the modules that take its place would lose"):
        restore(model)
    assert extension_of(model) is not None
    model.to_empty(device="cpu")
    with pytest.warns(UserWarning, match="tensors of the base's temporal sites were changed"):
        restore(model)
    assert {name: value.dtype for name, value in model.state_dict().items()} == types


# --- gradient checkpointing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpointing_that_was_on_before_stays_on(make_base: MakeBase, family: str) -> None:
    model = make_base(family, torch.float32).train()
    called: list[Any] = []

    def save(function: Any, *args: Any) -> Any:
        called.append(getattr(function, "__self__", function))
        return checkpoint(function, *args, use_reentrant=False)

    model.enable_gradient_checkpointing(save)
    extension = extend(model, LONG)
    with torch.enable_grad():
        context = torch.randn(1, 1, 32)
        if family == "svd":
            model(torch.randn(1, 3, 8, 4, 6), torch.tensor(0.3), context, torch.tensor([[6.0, 127.0, 0.02]]))
        else:
            model(torch.randn(1, 4, 3, 4, 6), torch.tensor(7), context.repeat(3, 1, 1))
    for site in extension.sites().values():
        parts = [site] if family == "svd" else list(site.transformer_blocks)
        assert all(any(part is each for each in called) for part in parts)


# --- other classes ---------------------------------------------------------------------------------------------------


def test_an_attention_processor_that_would_be_ignored_is_refused(make_base: MakeBase) -> None:
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0, SlicedAttnProcessor

    class Louder(AttnProcessor):
        def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
            return 2 * super().__call__(*args, **kwargs)

    for processor in (Louder(), SlicedAttnProcessor(slice_size=1)):
        model = make_base("svd", torch.float32)
        name = f"{TEMPORAL_BLOCKS['svd']}.0.attn2"
        model.get_submodule(name).set_processor(processor)
        with pytest.raises(
            ValueError, match=rf"have, a {type(processor).__name__}, but.*set_attn_processor with diffus"
        ):
            extend(model, LONG)
        assert extension_of(model) is None
        model.set_attn_processor(AttnProcessor2_0())
        extend(model, LONG)
    model = make_base("svd", torch.float32)
    model.set_attn_processor(AttnProcessor())
    extend(model, LONG)


def test_an_attention_processor_of_a_motion_module_is_used(make_base: MakeBase) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    class Louder(AttnProcessor):
        def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
            return 2 * super().__call__(*args, **kwargs)

    model = make_base("animatediff", torch.float32)
    plain = run(model, "animatediff")
    model.get_submodule(f"{TEMPORAL_BLOCKS['animatediff']}.0.attn2").set_processor(Louder())
    louder = run(model, "animatediff")
    assert not torch.equal(louder, plain)
    extend(model, LONG)
    assert torch.equal(run(model, "animatediff"), louder)


@pytest.mark.parametrize("part", ["site", "block"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_of_somebody_s_own_is_refused(make_base: MakeBase, family: str, part: str) -> None:
    model = make_base(family, torch.float32)
    blocks = TEMPORAL_BLOCKS[family]
    module = model.get_submodule(f"{blocks}.0" if part == "block" else blocks.rpartition(".")[0])
    known = type(module)
    module.__class__ = type("Mine", (known,), {})
    with pytest.raises(
        ValueError, match=rf"has a Mine where a {known.__name__} is known.*put a plain {known.__name__} back"
    ):
        extend(model, LONG)
    assert extension_of(model) is None


def test_free_noise_is_refused_until_it_is_off(make_base: MakeBase) -> None:
    from diffusers.models.attention import FreeNoiseTransformerBlock

    model = make_base("animatediff", torch.float32)
    blocks = model.get_submodule(TEMPORAL_BLOCKS["animatediff"])
    plain = blocks[0]
    options = {"dim": 32, "num_attention_heads": 2, "attention_head_dim": 16}
    blocks[0] = FreeNoiseTransformerBlock(**options)
    with pytest.raises(
        ValueError, match=r"FreeNoiseTransformerBlock where a BasicTransformerBlock.*disable_free_noise"
    ):
        extend(model, LONG)
    blocks[0] = plain
    extend(model, LONG)
