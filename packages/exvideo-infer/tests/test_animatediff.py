"""AnimateDiff through exvideo-infer: its base, what a caption and a clip become, and the stock pipeline extended."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AnimateDiffPipeline, EulerDiscreteScheduler
from exvideo_blocks import ExtensionConfig, extend, extension_of, load_extension, restore, save_extension
from exvideo_infer import BaseModelError, ExVideoPipeline, denoise, encode_for, load_base, probe
from exvideo_infer.cli import main
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

LONG = 20  # frames; the base knows 16
CALL = {"prompt": "a red circle", "num_inference_steps": 2, "height": 32, "width": 32, "guidance_scale": 2.0}


def stock(directory: Path) -> Any:
    pipe = AnimateDiffPipeline.from_pretrained(directory)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def latents_of(pipe: Any, frames: int, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return pipe(**(CALL | options), num_frames=frames, generator=generator, output_type="latent").frames


@pytest.fixture
def extension_file(tiny_animatediff_dir: Path, tmp_path: Path) -> Path:
    pipe = stock(tiny_animatediff_dir)
    extension = extend(pipe, ExtensionConfig(num_frames=LONG, level="attention"))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05)
    save_extension(extension, tmp_path / "extension.safetensors")
    return tmp_path / "extension.safetensors"


@pytest.mark.parametrize("level", ["full", "attention", "lora", "conv", "position", "temporal"])
def test_a_fresh_extension_gives_the_stock_pipeline_s_frames(tiny_animatediff_dir: Path, level: str) -> None:
    pipe = stock(tiny_animatediff_dir)
    before = {frames: latents_of(pipe, frames) for frames in (4, 16)}
    extend(pipe, ExtensionConfig(num_frames=LONG, level=level))
    for frames, expected in before.items():
        assert torch.equal(latents_of(pipe, frames), expected)
    assert latents_of(pipe, LONG).shape[2] == LONG
    restore(pipe)
    assert extension_of(pipe) is None
    assert torch.equal(latents_of(pipe, 16), before[16])


def test_an_extension_is_loaded_on_any_stock_pipeline_of_the_family(
    tiny_animatediff_dir: Path, extension_file: Path
) -> None:
    from diffusers import AnimateDiffVideoToVideoPipeline

    pipe = stock(tiny_animatediff_dir)
    base = latents_of(pipe, 16)
    extension = load_extension(pipe, extension_file)
    assert extension is extension_of(pipe) is extension_of(pipe.unet)
    assert not torch.equal(latents_of(pipe, 16), base)
    restore(pipe)
    other = AnimateDiffVideoToVideoPipeline.from_pipe(pipe)
    assert load_extension(other, extension_file).model is pipe.unet
    restore(other)
    with pytest.raises(TypeError, match="dict holds no model that can be extended: pass a model, or a pipeline of svd"):
        load_extension({}, extension_file)


def test_what_goes_through_a_stock_pipeline_does_not_break_it(
    tiny_animatediff_dir: Path, extension_file: Path, tmp_path: Path
) -> None:
    pipe = stock(tiny_animatediff_dir)
    load_extension(pipe, extension_file)
    before = latents_of(pipe, LONG)
    with pytest.raises(ValueError, match="FreeNoise replaces the motion blocks"):
        pipe.enable_free_noise(context_length=8)
    pipe.disable_free_noise()
    with pytest.raises(ValueError, match="save_pretrained on an extended model would write a base"):
        pipe.save_pretrained(tmp_path / "out")
    assert torch.equal(latents_of(pipe, LONG), before)
    tensors = {}
    for name, module in pipe.unet.named_modules():
        if name.endswith("attn2.to_q") and "motion" not in name:
            tensors[f"unet.{name}.lora_A.weight"] = torch.randn(2, module.in_features)
            tensors[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, 2)
    pipe.load_lora_weights(tensors, adapter_name="style")
    styled = latents_of(pipe, LONG)
    assert not torch.equal(styled, before)
    pipe.set_adapters(["style"], [0.0])
    torch.testing.assert_close(latents_of(pipe, LONG), before)
    pipe.set_adapters(["style"], [1.0])
    pipe.fuse_lora()
    torch.testing.assert_close(latents_of(pipe, LONG), styled, rtol=1e-3, atol=1e-4)
    pipe.unfuse_lora()
    pipe.delete_adapters("style")
    pipe.unload_lora_weights()
    torch.testing.assert_close(latents_of(pipe, LONG), before, rtol=1e-3, atol=1e-4)


def test_a_clip_and_its_words_are_encoded_as_the_stock_pipeline_does(tiny_animatediff_dir: Path) -> None:
    base, pipe = load_base(tiny_animatediff_dir), stock(tiny_animatediff_dir)
    frames = torch.rand(9, 3, 32, 32) * 2 - 1
    encoded = encode_for(base, frames, "a blue square")
    with torch.no_grad():
        each = torch.cat([pipe.vae.encode(frame[None]).latent_dist.mode() for frame in frames])
    torch.testing.assert_close(encoded["latents"], each * pipe.vae.config.scaling_factor, rtol=1e-4, atol=1e-5)
    words, nothing = pipe.encode_prompt("a blue square", "cpu", 1, True)
    conditions = base.conditions(encoded, 8.0, 127)
    torch.testing.assert_close(conditions.tokens, words)
    torch.testing.assert_close(conditions.without().tokens, nothing)


@pytest.mark.parametrize("scheduler", ["ddim", "euler"])
def test_our_sampler_gives_the_stock_pipeline_s_latents(tiny_animatediff_dir: Path, scheduler: str) -> None:
    base: Any = load_base(tiny_animatediff_dir)
    if scheduler == "euler":
        base.pipeline.scheduler = EulerDiscreteScheduler.from_config(base.scheduler.config)
    base.pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 16, 8, 8, generator=torch.Generator().manual_seed(3))
    stock_latents = base.pipeline(**CALL, num_frames=16, latents=noise.clone(), output_type="latent").frames
    conditions = base.conditions(encode_for(base, torch.zeros(1, 3, 32, 32), CALL["prompt"]), 8.0, 127)
    ours = denoise(base.network, base.scheduler, noise.transpose(1, 2), conditions, torch.full((16,), 2.0), 2)
    torch.testing.assert_close(ours.transpose(1, 2), stock_latents, rtol=1e-3, atol=1e-4)


def test_a_clip_is_decoded_as_the_stock_pipeline_does(tiny_animatediff_dir: Path) -> None:
    base: Any = load_base(tiny_animatediff_dir)
    latents = torch.randn(11, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    frames = torch.stack(list(base.decode(latents)))
    stock = base.pipeline.decode_latents(latents.transpose(0, 1)[None])[0].transpose(0, 1)
    torch.testing.assert_close(frames, (stock / 2 + 0.5).clamp(0, 1), rtol=0, atol=1e-5)
    assert base.decoder in base.encoders


def test_the_command_line_samples_with_the_stock_pipeline(
    tiny_animatediff_dir: Path, extension_file: Path, tmp_path: Path
) -> None:
    arguments = ["--base", str(tiny_animatediff_dir), "--prompt", "a red circle", "--steps", "2", "--seed", "3"]
    out = tmp_path / "out.mp4"
    assert main([*arguments, "--extension", str(extension_file), "-o", str(out)]) == 0
    info = probe(out)
    assert (info.num_frames, info.width, info.height, info.fps) == (LONG, 32, 32, 8)
    assert main([*arguments, "--num-frames", "5", "--guidance-max", "1", "-o", str(out)]) == 0
    assert probe(out).num_frames == 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--prompt", "a", "--num-frames", "33"], "num_frames is 33, beyond the positions that this base has"),
        (["--prompt", "a", "--num-frames", "21", "--extension", "FILE"], "num_frames is 21, but the extension has 20"),
        (["--prompt", "a", "--height", "30"], "height x width is 30x32: give positive multiples of 8"),
        (["--prompt", "a", "--motion-bucket-id", "3"], "is of AnimateDiffPipeline, which has no --motion-bucket-id"),
        (["--prompt", "a", "--guidance-min", "3"], "is of AnimateDiffPipeline, which has no --guidance-min"),
        (["--image", "PICTURE"], "makes clips of words: give --prompt"),
        (["--prompt", "a", "--image", "PICTURE"], "is of AnimateDiffPipeline, which has no --image"),
    ],
)
def test_the_command_line_says_what_it_cannot_do(
    tiny_animatediff_dir: Path, extension_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: list[str], sentence: str,
) -> None:  # fmt: skip
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    given = {"FILE": str(extension_file), "PICTURE": str(tmp_path / "picture.png")}
    arguments = ["--base", str(tiny_animatediff_dir), *(given.get(option, option) for option in options)]
    assert main([*arguments, "-o", str(tmp_path / "out.mp4")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_wrong_with_a_folder_is_said(tiny_animatediff_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "base"
    shutil.copytree(tiny_animatediff_dir, broken)
    scheduler = EulerDiscreteScheduler(prediction_type="v_prediction")
    scheduler.save_pretrained(broken / "scheduler")
    index = (broken / "model_index.json").read_text()
    (broken / "model_index.json").write_text(index.replace("DDIMScheduler", "EulerDiscreteScheduler"))
    with pytest.raises(BaseModelError, match=r"does not fit together.*'v_prediction', but AnimateDiff models predict"):
        load_base(broken)
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BaseModelError, match="cannot be loaded, its files are damaged or missing"):
        load_base(broken)
    projecting = tmp_path / "projecting"
    shutil.copytree(tiny_animatediff_dir, projecting)
    config = CLIPTextConfig.from_pretrained(projecting / "text_encoder")
    CLIPTextModelWithProjection(config).save_pretrained(projecting / "text_encoder")
    index = (projecting / "model_index.json").read_text()
    (projecting / "model_index.json").write_text(index.replace("CLIPTextModel", "CLIPTextModelWithProjection"))
    with pytest.raises(BaseModelError, match=r"is a CLIPTextModelWithProjection.*save it as a CLIPTextModel"):
        load_base(projecting)
    with pytest.raises(BaseModelError, match="is no Stable Video Diffusion"):
        ExVideoPipeline.from_pretrained(tiny_animatediff_dir)
