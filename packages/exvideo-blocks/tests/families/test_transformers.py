"""Invariants of the transformer families at every level: one matrix over tiny random models."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    check_extends,
    extend,
    family_of,
    lengthen,
    load_extension,
    read_safetensors,
    restore,
    save_extension,
    summarize,
)
from exvideo_blocks.families.cogvideox.positions import rotary_positions, turn_given_positions
from exvideo_blocks.positions import STARTS
from torch import Tensor

Make = Callable[..., Any]
KINDS = ("wan", "hunyuan_video", "ltx", "cogvideox", "cogvideox-2b")
LEVELS = ("position", "lora", "attention", "full")
SOME_LEVELS = [*(pytest.param(level, marks=pytest.mark.long) for level in LEVELS[:-1]), LEVELS[-1]]
KNOWN, LONG, LONGER = 3, 5, 7  # latent frames


def frames(model: Any, rows: int) -> int:
    return (rows - 1) * family_of(model).LATENT_STRIDE + 1


def config_for(model: Any, level: str, positions: str = "continued") -> ExtensionConfig:
    return ExtensionConfig(frames(model, LONG), level, positions, lora_rank=2, base_frames=frames(model, KNOWN))


def disturb(extension: Extension, scale: float = 0.2) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator).to(parameter))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_new_extension_equals_its_base_and_restoring_gives_it_back(
    make_transformer: Make, call_transformer: Make, kind: str, dtype: torch.dtype, level: str
) -> None:
    model = make_transformer(kind, dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    calls = [(rows, clips) for rows in (1, 2, KNOWN) for clips in ([1], [1, 2])]
    expected = [call_transformer(model, *call) for call in calls]
    beyond = call_transformer(model, LONG, [1])
    for positions in ("reflected", "continued"):
        extension = extend(model, config_for(model, level, positions))
        for call, output in zip(calls, expected, strict=True):
            assert torch.equal(call_transformer(model, *call), output), (positions, call)
        assert torch.equal(call_transformer(model, LONG, [1]), beyond) == (positions == "continued")
        with extension.disabled():
            assert torch.equal(call_transformer(model, *calls[-1]), expected[-1])
            assert torch.equal(call_transformer(model, LONG, [1]), beyond)
        disturb(extension)
        assert not torch.equal(call_transformer(model, *calls[-1]), expected[-1])
        restore(model)
        assert list(model.state_dict()) == list(before)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert torch.equal(call_transformer(model, *calls[-1]), expected[-1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_change_what_the_level_names_and_nothing_else(
    make_transformer: Make, call_transformer: Make, kind: str, dtype: torch.dtype, level: str
) -> None:
    model = make_transformer(kind, dtype)
    extension = extend(model, config_for(model, level))
    trained = extension.trainable_parameters()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    for step in range(10):
        optimizer.zero_grad()
        rows, clips = ((LONG, [step]), (KNOWN, [step, step + 1]))[step % 2]
        call_transformer(model, rows, clips).float().square().mean().backward()
        assert {id(p) for p in model.parameters() if p.grad is not None} == {id(p) for p in trained.values()}
        optimizer.step()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    ours = {id(p) for p in trained.values()}
    assert changed == {name for name, parameter in model.named_parameters() if id(parameter) in ours}
    expected = {
        "position": {"angle offsets", "frame tables"},
        "lora": {"angle offsets", "frame tables", "LoRA"},
        "attention": {"angle offsets", "frame tables", "attention"},
        "full": {"angle offsets", "frame tables", "attention", "rest of the blocks"},
    }[level]
    found = {group.name for group in summarize(extension).groups if group.trained}
    assert found == expected - ({"angle offsets"} if kind == "cogvideox-2b" else {"frame tables"})


@pytest.mark.parametrize("level", SOME_LEVELS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_saved_loaded_copied_and_lengthened_it_computes_the_same(
    make_transformer: Make, call_transformer: Make, tmp_path: Path, kind: str, level: str
) -> None:
    model, other = make_transformer(kind), make_transformer(kind)
    extension = extend(model, config_for(model, level, "reflected"))
    disturb(extension)
    calls = [(rows, clips) for rows in (1, KNOWN, LONG) for clips in ([1], [1, 2])]
    expected = [call_transformer(model, *call) for call in calls]
    save_extension(extension, tmp_path / "e.safetensors")
    load_extension(other, tmp_path / "e.safetensors")
    for same in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for call, output in zip(calls, expected, strict=True):
            assert torch.equal(call_transformer(same, *call), output)
    with pytest.raises(ValueError, match="num_frames=7 is beyond the 5 frames"):
        call_transformer(model, LONGER, [1])
    for positions in ("continued", "reflected"):
        lengthen(model, frames(model, LONGER), positions)
        for call, output in zip(calls, expected, strict=True):
            torch.testing.assert_close(call_transformer(model, *call), output, rtol=0, atol=1e-5)
        assert call_transformer(model, LONGER, [1]).isfinite().all()
        restore(model)
        load_extension(model, tmp_path / "e.safetensors")


@torch.no_grad()
def test_a_file_keeps_the_length_of_base_that_its_positions_start_from(
    make_transformer: Make, call_transformer: Make, tmp_path: Path
) -> None:
    model, other = make_transformer("cogvideox"), make_transformer("cogvideox", sample_frames=13)
    extension = extend(model, ExtensionConfig(17, "position", "interpolated"))  # of a base of 9 frames
    disturb(extension)
    save_extension(extension, tmp_path / "e.safetensors")
    assert load_extension(other, tmp_path / "e.safetensors").base_frames == 9
    assert torch.equal(call_transformer(other, LONG, [1]), call_transformer(model, LONG, [1]))


@pytest.mark.parametrize("positions", STARTS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_every_start_mounts_or_is_refused_before_the_model_is_touched(
    make_transformer: Make, call_transformer: Make, kind: str, positions: str
) -> None:
    model = make_transformer(kind)
    rows = 9  # beyond the period of the component that RIFLEx slows down
    base = call_transformer(model, rows, [1])
    config = replace(config_for(model, "position", positions), num_frames=frames(model, rows))
    if kind == "cogvideox-2b" and positions in ("riflex", "ntk", "yarn"):
        with pytest.raises(ValueError, match=f"'{positions}' changes the frequencies .* CogVideoX-2b does not have"):
            extend(model, config)
        assert all(parameter.requires_grad for parameter in model.parameters())
        return
    extend(model, config)
    # The two components of this small LTX-Video turn in 125 rows, which covers the clip, and in a hundredth of a row.
    stays = positions == "continued" or (kind, positions) == ("ltx", "riflex")
    assert torch.equal(call_transformer(model, rows, [1]), base) == stays


@pytest.mark.parametrize("positions", ["riflex", "ntk", "yarn"])
def test_unets_refuse_the_starts_of_rotary_positions(
    make_base: Callable[[str, torch.dtype], Any], positions: str
) -> None:
    for family in ("svd", "animatediff"):
        for refuses in (check_extends, extend):
            with pytest.raises(
                ValueError, match=f"positions='{positions}' changes the frequencies of rotary positions"
            ):
                refuses(make_base(family, torch.float32), ExtensionConfig(num_frames=7, positions=positions))


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing_gives_the_same_gradients(make_transformer: Make, call_transformer: Make, kind: str) -> None:
    gradients = []
    for saving in (False, True):
        model = make_transformer(kind).train()
        extension = extend(model, config_for(model, "lora"))
        disturb(extension)
        if saving:
            model.enable_gradient_checkpointing()
        call_transformer(model, LONG, [1]).square().mean().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    plain, saved = gradients
    assert plain.keys() == saved.keys()
    assert all(torch.equal(plain[name], saved[name]) for name in plain)


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [
        ("wan", {1: 1, 81: 21, 161: 41}), ("hunyuan_video", {129: 33, 201: 51}),
        ("ltx", {257: 33, 161: 21}), ("cogvideox", {49: 13, 161: 41}),
    ],
)  # fmt: skip
def test_rows_are_those_of_the_autoencoder(make_transformer: Make, kind: str, lengths: dict[int, int]) -> None:
    family = family_of(make_transformer(kind))
    assert {num_frames: family.rows(num_frames) for num_frames in lengths} == lengths


@pytest.mark.parametrize(("kind", "near"), [("wan", "97 or 101"), ("ltx", "97 or 105"), ("cogvideox", "97 or 105")])
def test_a_length_that_the_autoencoder_cannot_make_names_the_nearest(
    make_transformer: Make, kind: str, near: str
) -> None:
    model = make_transformer(kind)
    with pytest.raises(ValueError, match=rf"num_frames=100 is no length of {kind} clips.*: give {near}\."):
        check_extends(model, ExtensionConfig(num_frames=100, level="lora", base_frames=17))
    with pytest.raises(ValueError, match=f"level='temporal' is not one that {kind} models serve"):
        check_extends(model, ExtensionConfig(num_frames=161, level="temporal"))


@pytest.mark.parametrize(("kind", "near"), [("wan", "9 or 13"), ("ltx", "9 or 17"), ("cogvideox", "9 or 17")])
def test_a_length_of_the_base_that_the_autoencoder_cannot_make_is_refused_as_such(
    make_transformer: Make, kind: str, near: str
) -> None:
    model = make_transformer(kind)
    for refuses in (check_extends, extend):
        with pytest.raises(ValueError, match=rf"^base_frames=10 is no length of {kind} clips.*: give {near}\."):
            refuses(model, ExtensionConfig(num_frames=97, level="lora", base_frames=10))


@pytest.mark.parametrize("level", LEVELS)
@torch.no_grad()
def test_a_wan_that_reads_its_picture_as_channels_is_extended_as_others(make_transformer: Make, level: str) -> None:
    """Wan 2.1's image to video: 20 channels beside the 16 of the noise, and tokens of the picture."""
    options = {"in_channels": 36, "out_channels": 16, "image_dim": 20, "added_kv_proj_dim": 48}
    model = make_transformer("wan", **options)
    inputs = torch.randn(1, 36, LONG, 4, 4), torch.tensor([300.0]), torch.randn(1, 4, 16), torch.randn(1, 7, 20)
    base = model(*inputs).sample
    extension = extend(model, config_for(model, level))
    assert torch.equal(model(*inputs).sample, base)
    disturb(extension)
    assert not torch.equal(model(*inputs).sample, base)
    restore(model)
    assert torch.equal(model(*inputs).sample, base)


def test_a_pipeline_of_two_networks_is_refused_and_either_network_is_extended(
    make_transformer: Make, tmp_path: Path
) -> None:
    from diffusers import WanPipeline

    parts = dict.fromkeys(("vae", "scheduler", "text_encoder", "tokenizer"))
    both = WanPipeline(
        transformer=make_transformer("wan"), transformer_2=make_transformer("wan"), boundary_ratio=0.9, **parts
    )
    config = config_for(both.transformer, "lora")
    with pytest.raises(
        TypeError, match=r"has two networks.*pass one of them, pipe\.transformer or pipe\.transformer_2"
    ):
        extend(both, config)
    save_extension(extend(both.transformer_2, config), tmp_path / "e.safetensors")
    restore(both.transformer_2)
    with pytest.raises(TypeError, match="has two networks"):
        load_extension(both, tmp_path / "e.safetensors")
    load_extension(both.transformer_2, tmp_path / "e.safetensors")
    alone = WanPipeline(transformer=make_transformer("wan"), **parts)
    extend(alone, config)


@pytest.mark.parametrize("kind", ["wan", "hunyuan_video", "ltx", "cogvideox"])
@torch.no_grad()
def test_a_file_in_half_precision_keeps_the_offsets(make_transformer: Make, tmp_path: Path, kind: str) -> None:
    model = make_transformer(kind)
    extension = extend(model, config_for(model, "lora"))
    (name,) = (name for name in extension.names if "angle_offsets" in name)
    extension.named_parameters()[name].fill_(40.01)
    for dtype in (torch.bfloat16, torch.float16):
        save_extension(extension, tmp_path / "e.safetensors", dtype=dtype)
        tensors, _ = read_safetensors(tmp_path / "e.safetensors")
        assert {tensor.dtype for other, tensor in tensors.items() if other != name} == {dtype}
        assert torch.equal(tensors[name], extension.named_parameters()[name])


def test_the_lengths_that_the_models_were_trained_at(make_transformer: Make) -> None:
    lengths = {kind: family_of(model).base_frames(model) for kind in KINDS for model in [make_transformer(kind)]}
    assert lengths == {"wan": 81, "hunyuan_video": 129, "ltx": 257, "cogvideox": 9, "cogvideox-2b": 9}
    of_5b = make_transformer("wan", in_channels=48, out_channels=48)
    assert family_of(of_5b).base_frames(of_5b) == 121


def test_transformers_that_are_not_known_are_refused_by_name(make_transformer: Make) -> None:
    refused = {
        "patches of 2 latent frames": ("wan", {"patch_size": (2, 2, 2)}),
        "HunyuanVideo transformer with patches of 2": ("hunyuan_video", {"patch_size_t": 2}),
        "CogVideoX transformer with patches of 2": ("cogvideox", {"patch_size_t": 2, "sample_frames": 9}),
        "positions that it learned": ("cogvideox", {"use_learned_positional_embeddings": True}),
        "takes 5 rows of positions, and the base stores 4: give at most 13": ("wan", {"rope_max_seq_len": 4}),
    }
    for message, (kind, options) in refused.items():
        model = make_transformer(kind, **options)
        for refuses in (check_extends, extend):
            with pytest.raises(ValueError, match=message):
                refuses(model, config_for(model, "position"))
    model = make_transformer("wan")
    model.fuse_qkv_projections()
    with pytest.raises(ValueError, match="fused projections"):
        extend(model, config_for(model, "lora"))


@pytest.mark.parametrize("kind", ["wan", "ltx"])
@torch.no_grad()
def test_attention_to_the_clip_alone_sees_differences_of_offsets(
    make_transformer: Make, call_transformer: Make, kind: str
) -> None:
    model = make_transformer(kind)
    base = call_transformer(model, LONG, [1])
    (offsets,) = extend(model, config_for(model, "position")).named_parameters().values()
    offsets.copy_(torch.tensor(model.rope.angle_offsets.frequencies).expand_as(offsets))  # every row, one row later
    torch.testing.assert_close(call_transformer(model, LONG, [1]), base, rtol=0, atol=1e-4)
    offsets[1] += 1
    assert (call_transformer(model, LONG, [1]) - base).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["wan", "hunyuan_video", "ltx", "cogvideox"])
@torch.no_grad()
def test_offsets_of_a_row_give_the_base_s_tables_a_row_later(make_transformer: Make, kind: str) -> None:
    model = make_transformer(kind)
    extension = extend(model, config_for(model, "position"))
    (offsets,) = extension.named_parameters().values()
    site = next(iter(extension.sites().values()))
    offsets.copy_(torch.tensor(site.angle_offsets.frequencies).expand_as(offsets))
    tables = []
    for rows, rope in ((LONG, model.get_submodule("patch_embed" if kind == "cogvideox" else "rope")), (LONG + 1, None)):
        rope = rope or next(iter(extension.originals.values()))
        if kind == "ltx":
            tables.append(rope(torch.zeros(1, 1, 4), rows, 2, 3, (8 / 25, 32, 32)))
        elif kind == "cogvideox":
            given = rotary_positions(model.config, torch.Size((1, rows, 4, 4, 6)), torch.device("cpu"))
            latents = {"hidden_states": torch.zeros(1, rows, 1, 1, 1), "image_rotary_emb": given}
            later = rows > LONG
            tables.append(given if later else turn_given_positions(model, (), latents)[1]["image_rotary_emb"])
        else:
            tables.append(rope(torch.zeros(1, 4, rows, 4, 6)))
    tokens = 6
    for ours, base in zip(*tables, strict=True):
        axis = 0 if kind in ("hunyuan_video", "cogvideox") else 1
        atol = 3e-3 if kind == "ltx" else 1e-5  # its own angles, up to 15,000, are in fp32
        torch.testing.assert_close(ours, base.narrow(axis, tokens, LONG * tokens), rtol=0, atol=atol)


@torch.no_grad()
def test_positions_given_by_place_are_turned_as_those_given_by_name(make_transformer: Make) -> None:
    model = make_transformer("cogvideox")
    disturb(extend(model, config_for(model, "position")))
    latents, words = torch.randn(1, LONG, 4, 4, 8), torch.randn(1, 4, 16)
    positions = rotary_positions(model.config, latents.shape, latents.device)
    by_name = model(latents, words, torch.tensor([3]), image_rotary_emb=positions).sample
    assert torch.equal(model(latents, words, torch.tensor([3]), None, None, positions).sample, by_name)


def test_positions_of_cogvideox_learn_without_changing_what_it_computes(
    make_transformer: Make, call_transformer: Make
) -> None:
    model = make_transformer("cogvideox")
    extension = extend(model, config_for(model, "position"))
    disturb(extension)
    learning = call_transformer(model, LONG, [1])
    with torch.no_grad():
        torch.testing.assert_close(call_transformer(model, LONG, [1]), learning, rtol=0, atol=1e-6)
    (offsets,) = extension.named_parameters().values()
    learning.square().mean().backward()
    before, at = offsets.detach().clone(), (2, 1)
    losses = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            offsets.copy_(before)
            offsets[at] += step
            losses.append(call_transformer(model, LONG, [1]).double().square().mean().item())
    assert (losses[0] - losses[1]) / 2e-2 == pytest.approx(offsets.grad[at].item(), rel=0.05)


@torch.no_grad()
def test_frames_of_ltx_keep_their_seconds_at_any_rate(make_transformer: Make, call_transformer: Make) -> None:
    model = make_transformer("ltx")
    extend(model, config_for(model, "position", "reflected"))
    rope = model.rope
    for frame_rate in (25, 50):
        seconds = 8 / frame_rate
        cos, _ = rope(torch.zeros(1, LONG, 4), LONG, 1, 1, (seconds, 32, 32))
        assert torch.allclose(cos[0, 3], cos[0, 1], atol=1e-5)  # reflected: 0 1 2 1 0
        assert not torch.allclose(cos[0, 2], cos[0, 1], atol=1e-2)
    with pytest.raises(ValueError, match="was given video_coords"):
        rope(torch.zeros(1, LONG, 4), LONG, 1, 1, None, torch.zeros(1, 3, LONG))


@pytest.mark.parametrize("kind", ["wan", "ltx"])
@torch.no_grad()
def test_a_given_first_frame_has_the_time_zero(make_transformer: Make, call_transformer: Make, kind: str) -> None:
    model = make_transformer(kind)
    extend(model, config_for(model, "lora"))
    seen: dict[str, Any] = {}
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.update(kwargs), with_kwargs=True)
    first = torch.randn(2, 4, 4, 8)
    call_transformer(model, LONG, [1, 2], time=700.0, first_frame=first)
    time: Tensor = seen["timestep"].unflatten(1, (LONG, -1))
    assert time.shape[2] == (8 if kind == "wan" else 32)
    assert not time[:, 0].any()
    assert (time[:, 1:] == 700).all()
    latents = seen["hidden_states"]
    given = latents[:, :, 0] if kind == "wan" else latents.unflatten(1, (LONG, 4, 8))[:, 0].permute(0, 3, 1, 2)
    assert torch.equal(given, first)
