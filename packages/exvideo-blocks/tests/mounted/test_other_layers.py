"""Layers that are not PyTorch's plain ones: quantised, fused, compiled, pruned, parametrized, copied."""

from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import LEVELS, ExtensionConfig, extend, load_extension, restore, save_extension
from torch import nn
from torch.nn.utils import prune

from .models import CELLS, FAMILIES, Extended, MakeBase, bits, close, run, same


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
