"""Bases of video transformers but Wan: clips and words are encoded, sampled and decoded as by their stock pipelines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import denoise, encode_for, load_base, probe
from exvideo_infer.cli import main
from torch import Tensor

from .test_wan import fed, picture_of, stock

MakeDir = Callable[..., Path]
# The stock pipeline, the side of a clip in pixels, frames that the base is told to know and of a longer clip.
KINDS: dict[str, tuple[str, int, int, int]] = {
    "ltx": ("LTXPipeline", 64, 17, 25),
    "hunyuan_video": ("HunyuanVideoPipeline", 32, 9, 13),
    "cogvideox": ("CogVideoXPipeline", 32, 9, 17),
}
CALL = {"prompt": "a red circle", "num_inference_steps": 2, "guidance_scale": 2.0}


def clip_of(kind: str, frames: int) -> Tensor:
    """A clip (frames, 3, height, width) in [-1, 1], of whole grey values, as a file has them."""
    side, generator = KINDS[kind][1], torch.Generator().manual_seed(4)
    return torch.randint(256, (frames, 3, side, side), generator=generator) / 127.5 - 1


def call_of(kind: str, frames: int) -> dict[str, Any]:
    return CALL | {"height": KINDS[kind][1], "width": KINDS[kind][1], "num_frames": frames}


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_those_that_the_stock_pipeline_feeds_its_transformer(
    make_transformer_dir: MakeDir, kind: str
) -> None:
    name, _, known, _ = KINDS[kind]
    directory = make_transformer_dir(kind)
    base, pipe = load_base(directory), stock(name, directory)
    conditions = base.conditions(encode_for(base, clip_of(kind, known), CALL["prompt"]), 25.0, 127)
    with fed(pipe.transformer) as seen:
        pipe(**call_of(kind, known), output_type="latent")
    halves = [conditions] if kind == "hunyuan_video" else [conditions.without(), conditions]
    names = {"tokens": "encoder_hidden_states", "tokens_mask": "encoder_attention_mask", "pooled": "pooled_projections"}
    for ours, theirs in names.items():
        parts = [getattr(half, ours, None) for half in halves]
        if parts[0] is not None:
            found = torch.cat(parts).float()
            torch.testing.assert_close(found, seen[0][theirs].float(), rtol=0, atol=1e-6)
    assert not torch.equal(conditions.tokens, conditions.without().tokens)


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the mode of the posterior, which a cache keeps, where the stock pipelines draw a sample of it."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())


@pytest.mark.usefixtures("modes")
def test_latents_of_ltx_are_those_that_the_stock_pipeline_makes_of_the_same_clip(
    make_transformer_dir: MakeDir,
) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, LTXConditionPipeline
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    base: Any = load_base(make_transformer_dir("ltx"))
    parts = base.pipeline.components | {"scheduler": FlowMatchEulerDiscreteScheduler()}
    pipe, frames = LTXConditionPipeline(**parts), clip_of("ltx", 17)
    seen: list[Tensor] = []
    normalize = pipe._normalize_latents
    pipe._normalize_latents = lambda *args: seen.append(normalize(*args)) or seen[-1]
    pipe.set_progress_bar_config(disable=True)
    condition = LTXVideoCondition(video=[picture_of(frame) for frame in frames])
    pipe(**call_of("ltx", 17), conditions=condition, output_type="latent")
    latents = base.encode_frames(frames)
    assert latents.shape == (3, 4, 2, 2)
    torch.testing.assert_close(latents.transpose(0, 1)[None], seen[0], rtol=0, atol=1e-6)


@pytest.mark.usefixtures("modes")
def test_latents_of_cogvideox_are_those_that_the_stock_pipeline_makes_of_the_same_clip(
    make_transformer_dir: MakeDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import CogVideoXDDIMScheduler, CogVideoXVideoToVideoPipeline

    base: Any = load_base(make_transformer_dir("cogvideox"))
    pipe = CogVideoXVideoToVideoPipeline(**base.pipeline.components)
    seen: list[Tensor] = []
    add_noise = CogVideoXDDIMScheduler.add_noise
    monkeypatch.setattr(CogVideoXDDIMScheduler, "add_noise", lambda *given: seen.append(given[1]) or add_noise(*given))
    pipe.set_progress_bar_config(disable=True)
    frames = clip_of("cogvideox", 9)
    called = {key: value for key, value in call_of("cogvideox", 9).items() if key != "num_frames"}
    pipe([picture_of(frame) for frame in frames], **called, output_type="latent")
    latents = base.encode_frames(frames)
    assert len(latents) == 3
    torch.testing.assert_close(latents[None], seen[0], rtol=0, atol=1e-6)


@pytest.mark.usefixtures("modes")
def test_a_latent_of_hunyuan_video_is_the_one_that_a_stock_pipeline_makes_of_the_same_frame(
    make_transformer_dir: MakeDir,
) -> None:
    """Of frames it encodes pictures alone: no stock pipeline of its text-to-video model takes a clip."""
    from diffusers import HunyuanSkyreelsImageToVideoPipeline

    base: Any = load_base(make_transformer_dir("hunyuan_video"))
    pipe = HunyuanSkyreelsImageToVideoPipeline(**base.pipeline.components)
    frame = clip_of("hunyuan_video", 1)
    side, channels = frame.shape[-1], base.network.config.in_channels
    _, theirs = pipe.prepare_latents(frame, 1, channels, side, side, 1, frame.dtype, frame.device)
    torch.testing.assert_close(base.encode_frames(frame).transpose(0, 1)[None], theirs, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("modes")
def test_a_first_frame_of_ltx_is_the_one_that_the_stock_pipeline_feeds(make_transformer_dir: MakeDir) -> None:
    directory, name = make_transformer_dir("ltx"), "LTXImageToVideoPipeline"
    base, pipe, frames = load_base(directory, pipeline=name), stock(name, directory), clip_of("ltx", 17)
    conditions = base.conditions(encode_for(base, frames, CALL["prompt"]), 25.0, 127)
    with fed(pipe.transformer) as seen:
        pipe(**call_of("ltx", 17), image=picture_of(frames[0]), output_type="latent")
    assert conditions.first_frame is not None
    packed = conditions.first_frame.flatten(2).transpose(1, 2)
    torch.testing.assert_close(packed[0], seen[0]["hidden_states"][0, :4], rtol=0, atol=1e-6)
    assert seen[0]["timestep"].eq(0)[0].tolist() == [True] * 4 + [False] * 8


@pytest.mark.parametrize("kind", KINDS)
def test_our_sampler_gives_the_stock_pipeline_s_latents(make_transformer_dir: MakeDir, kind: str) -> None:
    name, _, known, _ = KINDS[kind]
    directory = make_transformer_dir(kind)
    base, pipe = load_base(directory), stock(name, directory)
    encoded = encode_for(base, clip_of(kind, known), CALL["prompt"])
    noise = torch.randn(1, *encoded["latents"].shape, generator=torch.Generator().manual_seed(3))
    given, rate = noise.transpose(1, 2), 10.0
    more: dict[str, Any] = {}
    if kind == "ltx":
        given, more = noise.permute(0, 1, 3, 4, 2).flatten(1, 3), {"frame_rate": rate}
    elif kind == "cogvideox":
        given = noise
    theirs = pipe(**call_of(kind, known), **more, latents=given.clone(), output_type="latent").frames
    rows = len(encoded["latents"])
    conditions = base.conditions(encoded, rate, 127)
    ours = denoise(base.network, base.scheduler, noise, conditions, torch.full((rows,), 2.0), 2)
    if kind == "ltx":
        ours = ours.permute(0, 1, 3, 4, 2).flatten(1, 3)
    elif kind == "hunyuan_video":
        ours = ours.transpose(1, 2)
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=1e-4, atol=1e-5)


def test_each_clip_of_a_batch_of_ltx_has_its_own_rate(make_transformer_dir: MakeDir) -> None:
    from exvideo_infer.bases.ltx import LTXConditions

    base: Any = load_base(make_transformer_dir("ltx"))
    extension = extend(base.network, ExtensionConfig(25, "position", "interpolated", base_frames=17))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.normal_(std=0.3)
    encoded = encode_for(base, clip_of("ltx", 25), CALL["prompt"])
    one, other = (base.conditions(encoded, rate, 127) for rate in (10.0, 25.0))
    noise, flat = torch.randn(2, *encoded["latents"].shape), torch.ones(4)
    both = denoise(base.network, base.scheduler, noise, LTXConditions.cat([one, other]), flat, 1)
    first = denoise(base.network, base.scheduler, noise[:1], one, flat, 1)
    second = denoise(base.network, base.scheduler, noise[1:], other, flat, 1)
    torch.testing.assert_close(both, torch.cat([first, second]), rtol=0, atol=1e-5)
    swapped = denoise(base.network, base.scheduler, noise[:1], other, flat, 1)
    assert (swapped - first).abs().max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_decoded_as_the_stock_pipeline_does(make_transformer_dir: MakeDir, kind: str) -> None:
    name, side, known, _ = KINDS[kind]
    directory = make_transformer_dir(kind)
    base, pipe = load_base(directory), stock(name, directory)
    made = []
    for output_type in ("latent", "pt"):
        generator = torch.Generator().manual_seed(0)
        made.append(pipe(**call_of(kind, known), generator=generator, output_type=output_type).frames[0])
    latents, expected = made
    if kind == "ltx":
        latents = latents.unflatten(0, (3, 2, 2)).permute(0, 3, 1, 2)
    elif kind == "hunyuan_video":
        latents = latents.transpose(0, 1)
    frames = torch.stack(list(base.decode(latents.float())))
    assert frames.shape == (known, 3, side, side)
    torch.testing.assert_close(frames, expected.float(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_samples_with_the_stock_pipeline(
    make_transformer_dir: MakeDir, tmp_path: Path, kind: str
) -> None:
    _, side, known, long = KINDS[kind]
    base = load_base(make_transformer_dir(kind))
    extension = extend(base.network, ExtensionConfig(long, "lora", lora_rank=2, base_frames=known))
    save_extension(extension, tmp_path / "extension.safetensors")
    out = tmp_path / "out.mp4"
    arguments = ["--base", str(make_transformer_dir(kind)), "--prompt", "a red circle", "--steps", "2"]
    size = ["--height", str(side), "--width", str(side), "--fps", "10"]
    assert main([*arguments, *size, "--extension", str(tmp_path / "extension.safetensors"), "-o", str(out)]) == 0
    info = probe(out)
    assert (info.num_frames, info.height, info.fps) == (long, side, 10)


def test_ltx_begins_at_a_picture_on_the_command_line(make_transformer_dir: MakeDir, tmp_path: Path) -> None:
    picture_of(clip_of("ltx", 1)[0]).save(tmp_path / "first.png")
    arguments = ["--base", str(make_transformer_dir("ltx")), "--image", str(tmp_path / "first.png"), "--prompt", "a"]
    size = ["--height", "64", "--width", "64", "--num-frames", "17", "--steps", "2"]
    assert main([*arguments, *size, "-o", str(tmp_path / "out.mp4")]) == 0
    assert probe(tmp_path / "out.mp4").num_frames == 17
