"""Wan through exvideo-infer: its base, what a clip and its words become, and the stock pipelines extended."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer import BaseModelError, denoise, encode_for, load_base, probe
from exvideo_infer.cli import main
from exvideo_infer.stock import TextRequest, generate, load_stock
from exvideo_infer.video_file import read_metadata
from PIL import Image
from torch import Tensor

KNOWN, LONG = 9, 17  # frames; the base is told to know 9
CALL = {"prompt": "a red circle", "num_inference_steps": 2, "height": 32, "width": 32, "guidance_scale": 2.0}
MakeDir = Callable[..., Path]


@pytest.fixture
def wan_dir(make_transformer_dir: MakeDir) -> Path:
    return make_transformer_dir("wan")


@pytest.fixture
def ti2v_dir(make_transformer_dir: MakeDir) -> Path:
    return make_transformer_dir("wan", expand_timesteps=True)


def stock(kind: str, directory: Path) -> Any:
    import diffusers

    pipe = getattr(diffusers, kind).from_pretrained(directory)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def clip_of(frames: int) -> Tensor:
    """A clip (frames, 3, 32, 32) in [-1, 1], of whole grey values, as a file has them."""
    generator = torch.Generator().manual_seed(4)
    return torch.randint(256, (frames, 3, 32, 32), generator=generator) / 127.5 - 1


def picture_of(frame: Tensor) -> Image.Image:
    return Image.fromarray(((frame + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


@contextmanager
def fed(network: torch.nn.Module) -> Iterator[list[dict[str, Any]]]:
    """The arguments that a network is given within."""
    seen: list[dict[str, Any]] = []
    hook = network.register_forward_pre_hook(lambda _m, _a, kwargs: seen.append(kwargs), with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


@pytest.fixture
def extension_file(wan_dir: Path, tmp_path: Path) -> Path:
    base = load_base(wan_dir)
    extension = extend(base.network, ExtensionConfig(LONG, "lora", lora_rank=2, base_frames=KNOWN))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter.add_(0.05)
    extension.training = {"sizes": [[32, 48]], "sampling": {"fps": 12.0}}
    save_extension(extension, tmp_path / "extension.safetensors")
    return tmp_path / "extension.safetensors"


def test_words_are_those_that_the_stock_pipeline_feeds_its_transformer(wan_dir: Path) -> None:
    base, pipe = load_base(wan_dir), stock("WanPipeline", wan_dir)
    encoded = encode_for(base, clip_of(KNOWN), CALL["prompt"])
    with fed(pipe.transformer) as seen:
        pipe(**CALL, num_frames=5, output_type="latent")
    conditions = base.conditions(encoded, 16.0, 127)
    torch.testing.assert_close(conditions.tokens, seen[0]["encoder_hidden_states"], rtol=0, atol=1e-6)
    torch.testing.assert_close(conditions.without().tokens, seen[1]["encoder_hidden_states"], rtol=0, atol=1e-6)
    assert len(encoded["embedding"]) == 5  # a start, three words, an end: the filling is in no cache
    assert not torch.equal(conditions.tokens, conditions.without().tokens)


def test_latents_are_those_that_the_stock_pipeline_makes_of_the_same_clip(wan_dir: Path) -> None:
    base, pipe = load_base(wan_dir), stock("WanVideoToVideoPipeline", wan_dir)
    frames = clip_of(KNOWN)
    seen: list[Tensor] = []
    add_noise = pipe.scheduler.add_noise
    pipe.scheduler.add_noise = lambda clean, *rest: seen.append(clean) or add_noise(clean, *rest)
    pipe(**CALL, video=[picture_of(frame) for frame in frames], strength=0.9, output_type="latent")
    latents = base.encode_frames(frames)
    assert latents.shape == (3, 16, 4, 4)
    torch.testing.assert_close(latents.transpose(0, 1)[None], seen[0], rtol=0, atol=1e-6)


def test_a_wan_in_the_shape_of_ti2v_5b(make_transformer_dir: MakeDir) -> None:
    directory = make_transformer_dir("wan", of_5b=True)
    base = load_stock(directory, None, torch.float32)
    assert (base.size_multiple, base.default_size, base.sampling_defaults.fps) == (32, (704, 1280), 24.0)
    frames = torch.rand(9, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    encoded = encode_for(load_base(directory, pipeline="WanImageToVideoPipeline"), frames, CALL["prompt"])
    assert encoded["latents"].shape == (3, 48, 4, 4)
    assert encoded["first_frame"].shape == (48, 4, 4)
    extend(base.network, ExtensionConfig(LONG, "lora", "reflected", 2, KNOWN))
    for image in (None, picture_of(frames[0])):
        asked = TextRequest(CALL["prompt"], num_frames=LONG, height=64, width=64, steps=2, image=image)
        assert [frame.shape for frame in generate(base, asked)] == [(64, 64, 3)] * LONG
    others = load_base(make_transformer_dir("wan"))
    assert (others.default_size, others.sampling_defaults.fps) == ((480, 832), 16.0)


def test_a_first_frame_is_the_one_that_the_stock_pipeline_feeds(ti2v_dir: Path) -> None:
    base, pipe = load_base(ti2v_dir, pipeline="WanImageToVideoPipeline"), stock("WanImageToVideoPipeline", ti2v_dir)
    frames = clip_of(KNOWN)
    conditions = base.conditions(encode_for(base, frames, CALL["prompt"]), 16.0, 127)
    with fed(pipe.transformer) as seen:
        pipe(**CALL, image=picture_of(frames[0]), num_frames=KNOWN, output_type="latent")
    assert conditions.first_frame is not None
    torch.testing.assert_close(conditions.first_frame, seen[0]["hidden_states"][:, :, 0], rtol=0, atol=1e-6)
    assert seen[0]["timestep"].view(3, 4).eq(0).tolist() == [[True] * 4, [False] * 4, [False] * 4]
    assert base.conditions(encode_for(base, frames), 16.0, 127).without().first_frame is not None
    # A clip's first latent frame is that of its first frame alone, as the autoencoder is causal.
    torch.testing.assert_close(base.encode_frames(frames)[0], conditions.first_frame[0], rtol=0, atol=1e-5)
    assert "first_frame" not in encode_for(load_base(ti2v_dir), frames)  # as a WanPipeline: text to video


@pytest.mark.parametrize("begins_at_a_picture", [False, True])
def test_our_sampler_gives_the_stock_pipeline_s_latents(ti2v_dir: Path, begins_at_a_picture: bool) -> None:
    kind = "WanImageToVideoPipeline" if begins_at_a_picture else "WanPipeline"
    base, pipe = load_base(ti2v_dir, pipeline=kind), stock(kind, ti2v_dir)
    frames = clip_of(KNOWN)
    conditions = base.conditions(encode_for(base, frames, CALL["prompt"]), 16.0, 127)
    noise = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    picture = {"image": picture_of(frames[0])} if begins_at_a_picture else {}
    expected = pipe(**CALL, **picture, num_frames=KNOWN, latents=noise.clone(), output_type="latent").frames
    ours = denoise(base.network, base.scheduler, noise.transpose(1, 2), conditions, torch.full((3,), 2.0), 2)
    torch.testing.assert_close(ours.transpose(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_a_clip_is_decoded_as_the_stock_pipeline_does(wan_dir: Path) -> None:
    base, pipe = load_base(wan_dir), stock("WanPipeline", wan_dir)
    generator = torch.Generator().manual_seed(0)
    latents = pipe(**CALL, num_frames=KNOWN, generator=generator, output_type="latent").frames
    generator = torch.Generator().manual_seed(0)
    expected = pipe(**CALL, num_frames=KNOWN, generator=generator, output_type="pt").frames[0]
    frames = torch.stack(list(base.decode(latents[0].transpose(0, 1))))
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-6)
    assert base.decoder in base.encoders


def test_the_command_line_samples_with_the_stock_pipeline(
    wan_dir: Path, ti2v_dir: Path, extension_file: Path, tmp_path: Path
) -> None:
    out, arguments = tmp_path / "out.mp4", ["--prompt", "a red circle", "--steps", "2", "--seed", "3"]
    base = ["--base", str(wan_dir)]
    assert main([*base, *arguments, "--extension", str(extension_file), "-o", str(out)]) == 0
    info = probe(out)
    assert (info.num_frames, info.height, info.width, info.fps) == (LONG, 32, 48, 12)  # as it was trained
    size = ["--height", "32", "--width", "32"]
    assert main([*base, *arguments, *size, "--num-frames", "5", "-o", str(out)]) == 0
    assert (probe(out).num_frames, probe(out).fps) == (5, 16)
    picture_of(clip_of(1)[0]).save(tmp_path / "first.png")
    begun = ["--base", str(ti2v_dir), "--image", str(tmp_path / "first.png"), *arguments, *size, "--num-frames", "5"]
    assert main([*begun, "-o", str(out)]) == 0
    assert probe(out).num_frames == 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--num-frames", "18"], "num_frames=18 is no length of wan clips"),
        (["--num-frames", "21", "--extension", "FILE"], "num_frames is 21, but the extension has 17"),
        (["--num-frames", "129"], "num_frames is 129, beyond the positions that this base has"),
        (["--height", "40"], "height x width is 40x832: give positive multiples of 16"),
        (["--image", "PICTURE"], "is of WanPipeline, which has no --image: leave it out"),
        (["--decode-tile-size", "64"], "is of WanPipeline, which has no --decode-tile-size: leave it out"),
        (["--guidance-apart"], "is of WanPipeline, which has no --guidance-apart: leave it out"),
    ],
)
def test_the_command_line_says_what_it_cannot_do(
    wan_dir: Path, extension_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str],
    sentence: str,
) -> None:  # fmt: skip
    picture_of(clip_of(1)[0]).save(tmp_path / "picture.png")
    given = {"FILE": str(extension_file), "PICTURE": str(tmp_path / "picture.png")}
    arguments = ["--base", str(wan_dir), "--prompt", "a", *(given.get(option, option) for option in options)]
    assert main([*arguments, "-o", str(tmp_path / "out.mp4")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


# --- A mixture of two experts ----------------------------------------------------------------------------------------


@pytest.fixture
def mixture_dir(make_transformer_dir: MakeDir) -> Path:
    return make_transformer_dir("wan", experts=2)


@pytest.fixture
def expert_files(mixture_dir: Path, tmp_path: Path) -> dict[str, Path]:
    """An extension of each expert, by its name."""
    base: Any = load_base(mixture_dir)
    files = {}
    for number, name in enumerate(base.experts):
        extension = extend(base.of_expert(name).network, ExtensionConfig(LONG, "lora", lora_rank=2, base_frames=KNOWN))
        with torch.no_grad():
            for parameter in extension.named_parameters().values():
                parameter.add_(0.05 * (number + 1))
        extension.training = {"expert": name, "sizes": [[32, 32]]}
        files[name] = tmp_path / f"{name}.safetensors"
        save_extension(extension, files[name])
    return files


def test_each_expert_of_a_mixture_is_a_network_with_noise_levels_of_its_own(mixture_dir: Path, wan_dir: Path) -> None:
    base: Any = load_base(mixture_dir)
    assert base.experts == ("high_noise", "low_noise")
    high, low = (base.of_expert(name) for name in base.experts)
    assert high.network is base.pipeline.transformer
    assert low.network is base.pipeline.transformer_2
    assert (high.objective_settings, low.objective_settings) == (
        {"sigma_range": (0.875, 1.0)}, {"sigma_range": (0.0, 0.875)},
    )  # fmt: skip
    single: Any = load_base(wan_dir)
    assert (single.experts, single.objective_settings) == ((), {})
    with pytest.raises(BaseModelError, match="'low_noise' was asked for, and this Wan is one network: leave"):
        single.of_expert("low_noise")


def test_the_stock_pipeline_samples_with_an_extension_on_each_expert(
    mixture_dir: Path, expert_files: dict[str, Path]
) -> None:
    high, low = expert_files["high_noise"], expert_files["low_noise"]
    request, made, asked = TextRequest("a red circle", steps=4, num_frames=LONG, height=32, width=32), {}, []
    for files in ((None, None), (high, None), (None, low), (high, low)):
        base: Any = load_stock(mixture_dir, files[0], torch.float32, files[1])
        base.pipeline.set_progress_bar_config(disable=True)
        with fed(base.networks[0]) as first, fed(base.networks[1]) as second:
            made[files] = torch.tensor(list(generate(base, request)))
        asked.append([[float(call["timestep"][0]) for call in calls] for calls in (first, second)])
    of_high, of_low = asked[0]
    assert min(of_high) >= 875 > max(of_low)
    assert len({clip.numpy().tobytes() for clip in made.values()}) == 4
    longest = TextRequest("a", num_frames=LONG + 4)
    with pytest.raises(ValueError, match="num_frames is 21, but the extension has 17"):
        longest.filled(load_stock(mixture_dir, None, torch.float32, low))


def test_an_extension_of_the_other_expert_is_refused(
    mixture_dir: Path, wan_dir: Path, expert_files: dict[str, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    high, low = str(expert_files["high_noise"]), str(expert_files["low_noise"])
    arguments = ["--prompt", "a", "--steps", "1", "-o", str(tmp_path / "out.mp4")]
    assert main(["--base", str(mixture_dir), "--extension", low, "--extension-2", high, *arguments]) == 2
    assert "was trained on the expert low_noise, and was to be put on high_noise" in capsys.readouterr().err
    assert main(["--base", str(wan_dir), "--extension-2", low, *arguments]) == 2
    assert "is no mixture of two experts, and extension_2 is" in capsys.readouterr().err
    assert main(["--extension-2", low, *arguments]) == 2
    assert "is no mixture of two experts, and has no --extension-2: leave it out" in capsys.readouterr().err
    assert main(["--base", str(mixture_dir), "--extension", high, "--extension-2", low, *arguments]) == 0
    assert probe(tmp_path / "out.mp4").num_frames == LONG


def test_a_clip_of_a_mixture_records_both_extensions_and_is_made_again_with_both(
    mixture_dir: Path, expert_files: dict[str, Path], tmp_path: Path
) -> None:
    high, low = str(expert_files["high_noise"]), str(expert_files["low_noise"])
    chosen = {"both": ["--extension", high, "--extension-2", low], "high": ["--extension", high]}
    made = {name: tmp_path / f"{name}.mkv" for name in chosen}
    for name, extensions in chosen.items():
        frames = ["--prompt", "a", "--steps", "2", "--num-frames", str(KNOWN), "-o", str(made[name])]
        assert main(["--base", str(mixture_dir), *extensions, *frames]) == 0
    records = {name: read_metadata(path) for name, path in made.items()}
    assert [record["model"]["extension_2"] for record in records.values()] == [low, None]
    assert len({record["extension_hash"] for record in records.values()}) == 2
    assert main(["--again", str(made["both"]), "-o", str(tmp_path / "again.mkv")]) == 0
    assert (tmp_path / "again.mkv").read_bytes() == made["both"].read_bytes()


def changed(directory: Path, folder: Path, part: str, **values: Any) -> Path:
    """A copy of a base in which a part's JSON has other values."""
    shutil.copytree(directory, folder)
    path = folder / part
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def test_what_is_wrong_with_a_folder_is_said(wan_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="has no time for each token, so that no first frame can be given"):
        load_base(wan_dir, pipeline="WanImageToVideoPipeline")
    with pytest.raises(BaseModelError, match="was to be loaded as MochiPipeline: give a base of"):
        load_base(wan_dir, pipeline="MochiPipeline")
    other = changed(wan_dir, tmp_path / "other", "model_index.json", _class_name="WanVACEPipeline")
    with pytest.raises(BaseModelError, match="is of WanVACEPipeline: give a base of"):
        load_base(other)
    index = "scheduler/scheduler_config.json"
    noise = changed(wan_dir, tmp_path / "noise", index, prediction_type="epsilon", use_flow_sigmas=False)
    with pytest.raises(BaseModelError, match=r"does not fit together.*samples no flow"):
        load_base(noise)
    narrow = changed(wan_dir, tmp_path / "narrow", "model_index.json")
    from transformers import UMT5Config, UMT5EncoderModel

    UMT5EncoderModel(UMT5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(
        narrow / "text_encoder"
    )
    with pytest.raises(BaseModelError, match="has width 8, and its transformer reads 16"):
        load_base(narrow)
    weights = tmp_path / "other" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BaseModelError, match="cannot be loaded, its files are damaged or missing"):
        load_base(changed(other, tmp_path / "damaged", "model_index.json", _class_name="WanPipeline"))
