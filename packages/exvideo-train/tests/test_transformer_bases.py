"""Bases of video transformers, trained: small random ones of diffusers' layouts, on clips with captions."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import (
    ExtensionConfig,
    export_lora,
    extend,
    family_of,
    load_extension,
    read_extension_header,
    read_safetensors,
)
from exvideo_infer import load_base, probe
from exvideo_infer.cli import main as generate
from exvideo_train.bases import open_base, task_of
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.sharing import Alone
from exvideo_train.order import ClipOrder
from exvideo_train.step import Batch, training_batch
from torch import Tensor

from .test_loop import assert_a_killed_run_resumes_to_the_same_bits

MakeConfig = Callable[..., Path]
# What tells the kinds apart: the folder of the base, the pipeline that it is loaded as, and lengths in frames.
KINDS: dict[str, dict[str, Any]] = {
    "wan": {"folder": ("wan", {}), "known": 9, "long": 13},
    "wan-ti2v": {
        "folder": ("wan", {"expand_timesteps": True}), "pipeline": "WanImageToVideoPipeline", "known": 9, "long": 13,
    },
    "ltx": {"folder": ("ltx", {}), "known": 9, "long": 17},
    "ltx-i2v": {"folder": ("ltx", {}), "pipeline": "LTXImageToVideoPipeline", "known": 9, "long": 17},
    "hunyuan_video": {"folder": ("hunyuan_video", {}), "known": 9, "long": 13},
    "cogvideox": {"folder": ("cogvideox", {}), "known": 9, "long": 17},
    "cogvideox-2b": {"folder": ("cogvideox", {"rotary": False}), "known": 9, "long": 17},
}  # fmt: skip


@pytest.fixture
def config_of(make_config: MakeConfig, make_transformer_dir: Callable[..., Path], captioned: Path) -> MakeConfig:
    """Writes a configuration of one of `KINDS`: config_of("wan", "run", **changes)."""

    def make(kind: str, output: str = "run", **changes: Any) -> Path:
        about = KINDS[kind]
        name, options = about["folder"]
        base = {"base": str(make_transformer_dir(name, **options)), "base_pipeline": about.get("pipeline")}
        extension = {"num_frames": about["long"], "base_frames": about["known"], "level": "lora", "lora_rank": 2}
        data = {"data.videos": str(captioned / "train")}
        return make_config(output, **(base | {"extension": extension} | data | changes))

    return make


def encoded_batch(path: Path, step: int = 0) -> tuple[Any, Any, Batch]:
    """The base of a configuration, its task, and both samples of a step, encoded."""
    config = load_config(path)
    base: Any = open_base(config)
    data = encode_data(config, base, Alone(), lambda done, total: None)
    task = task_of(config, base)
    order = ClipOrder(data.training, config.seed, config.optimizer.batch_size)
    return base, task, training_batch(config, task.objective, data.cache, order, step, [0, 1])


def ema_of(folder: Path, step: int) -> dict[str, Tensor]:
    parts = sorted((folder / "checkpoints" / f"step-{step:08d}").glob("part-*.safetensors"))
    tensors = {name: value for part in parts for name, value in read_safetensors(part)[0].items()}
    return {name.removeprefix("ema/"): value for name, value in tensors.items() if name.startswith("ema/")}


@torch.no_grad()
@pytest.mark.parametrize("kind", ["wan", "wan-ti2v"])
def test_the_loss_of_a_wan_is_the_flow_s_written_out(config_of: MakeConfig, kind: str) -> None:
    base, task, batch = encoded_batch(config_of(kind))
    sigma = batch.level.view(-1, 1, 1, 1, 1)
    noisy = (1 - sigma) * batch.latents + sigma * batch.noise
    time, judged = 1000 * batch.level, slice(0, None)
    if kind == "wan-ti2v":  # the first latent frame is clean, at time 0, and not judged
        noisy[:, 0], judged = batch.latents[:, 0], slice(1, None)
        frames, tokens = batch.latents.shape[1], 4
        time = (time[:, None] * (torch.arange(frames) > 0)).repeat_interleave(tokens, dim=1)
    words = batch.conditions.tokens
    v = base.network(noisy.transpose(1, 2), time, words, return_dict=False)[0].transpose(1, 2)
    error = (v - (batch.noise - batch.latents)).square()[:, judged]
    ours = task.loss(base.network, batch, torch.float32)
    torch.testing.assert_close(ours, error.flatten(1).mean(dim=1), rtol=2e-4, atol=0)  # fp16 in the cache
    assert words.shape == (2, 512, 16)
    assert not torch.equal(words[0], words[1])  # each clip has its own caption


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_validated_and_sampled_and_its_file_remembers_how(
    config_of: MakeConfig, captioned: Path, tmp_path: Path, runs: Any, kind: str
) -> None:
    about = KINDS[kind]
    watched = {"validation.videos": str(captioned / "held_out"), "validation.sigmas": [0.5, 2.0]}
    samples = {"num_inference_steps": 2, "metrics": False, "every": 2}
    path = config_of(kind, samples=samples, conditioning_dropout=0.5, **watched, **{"optimizer.steps": 2})
    assert main(["--config", str(path)]) == 0
    run = tmp_path / "run"
    assert len(runs.figures("run", "loss")) == 2
    assert len(runs.figures("run", "validation/loss")) == 2
    assert len(runs.figures("run", "validation_base/mse_sigma_2")) == 2
    assert {"validation/mse_beyond_base"} < runs.records("run")[-1].keys() | runs.records("run")[0].keys()
    for folder in (run / "samples" / "step-00000002", run / "samples" / "base"):
        assert [probe(clip).num_frames for clip in folder.glob("*.mp4")] == [about["long"]]
    base: Any = load_base(load_config(path).base, pipeline=about.get("pipeline"))
    loaded = load_extension(base.pipeline, run / "extension.safetensors")
    assert all(torch.equal(loaded.named_parameters()[name], value) for name, value in ema_of(run, 2).items())
    trained = read_extension_header(run / "extension.safetensors").training
    assert trained is not None
    assert trained["sizes"] == [[32, 32]]
    assert trained["sampling"] | {"fps": 8.0, "num_inference_steps": 2} == trained["sampling"]
    assert trained.get("pipeline") == about.get("pipeline")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_tells_the_memory_of_a_run(
    config_of: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main(["--config", str(config_of(kind)), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fits"]
    assert told["memory"]["parts"]["activations"] > 0
    assert told["data"][0]["clips"] > 0
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in ("wan-ti2v", "cogvideox") else pytest.mark.long) for kind in KINDS]
)
def test_a_run_in_two_parts_is_the_run_in_one(config_of: MakeConfig, runs: Any, kind: str) -> None:
    assert main(["--config", str(config_of(kind, "whole"))]) == 0
    assert main(["--config", str(config_of(kind, "parts", **{"optimizer.steps": 2}))]) == 0
    assert main(["--config", str(config_of(kind, "parts"))]) == 0
    runs.assert_same_end("whole", "parts", 4)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_resumes_to_the_same_bits(config_of: MakeConfig, tmp_path: Path, kind: str) -> None:
    def make(*args: Any, **changes: Any) -> Path:
        return config_of(kind, *args, **changes)

    # Steps are quick here: so many that the run is not at its end when its first checkpoint is there.
    assert_a_killed_run_resumes_to_the_same_bits(make, tmp_path, steps=60, every=20)


@pytest.mark.parametrize("level", ["position", "lora", "attention", "full"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_change_what_the_level_names_and_nothing_else(
    config_of: MakeConfig, tmp_path: Path, level: str, precision: str
) -> None:
    extension = {"num_frames": 13, "base_frames": 9, "level": level, "lora_rank": 2}
    changes = {"optimizer.steps": 3, "engine.precision": precision, "engine.gradient_checkpointing": "all"}
    path = config_of("wan", extension=extension, **changes)
    assert main(["--config", str(path)]) == 0
    base: Any = load_base(load_config(path).base)
    parameters = extend(base.network, ExtensionConfig(**extension)).named_parameters()
    fresh = {name: value.clone() for name, value in parameters.items()}
    ema = ema_of(tmp_path / "run", 3)
    assert set(ema) == set(fresh)
    still = [name for name, value in ema.items() if torch.equal(value, fresh[name].float())]
    # The first factor of an update has no gradient until the second has left zero: it decays alone.
    assert [name for name in still if ".lora_A." not in name] == []


def test_a_new_caption_decodes_no_video(
    make_config: MakeConfig, config_of: MakeConfig, captioned: Path, tmp_path: Path, decoded: list[int]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in (captioned / "train").iterdir():
        (videos / path.name).write_bytes(path.read_bytes())
    changes = {"data.videos": str(videos), "data.cache": str(tmp_path / "cache"), "optimizer.steps": 1}
    assert main(["--config", str(config_of("wan", "one", **changes))]) == 0
    assert decoded
    texts = set((tmp_path / "cache" / "texts").iterdir())
    assert len(texts) == 3
    decoded.clear()
    (videos / "clip0.txt").write_text("a red square moves right")
    assert main(["--config", str(config_of("wan", "other", **changes))]) == 0
    assert decoded == []
    assert len(set((tmp_path / "cache" / "texts").iterdir()) - texts) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"engine.gradient_checkpointing": "temporal"}, "is temporal, and wan models have no temporal blocks apart"),
        ({"extension": {"num_frames": 100}}, "num_frames=100 is no length of wan clips.*give 97 or 101"),
        ({"data.lengths": [13, 10]}, r"data\.lengths: num_frames=10 is no length of wan clips.*give 9 or 13"),
        ({"data.size": [40, 32]}, r"data\.size: height x width is 40x32: give positive multiples of 16"),
        ({"noise.distribution": "karras"}, "distribution='karras' is unknown.*uniform, logitnormal"),
        ({"base_pipeline": "LTXPipeline"}, "is a WanTransformer3DModel, and a LTXPipeline has a LTXVideoTransformer3D"),
        ({"base_expert": "low_noise"}, "base_expert is low_noise, and .* is no mixture of experts: leave it out"),
        ({"noise_augmentation": {"variants": 2}}, r"noise_augmentation\.variants=2 puts noise on the first frame"),
        ({"time_noise": {"maximum": 15}}, r"time_noise\.maximum=15\.0 puts noise on the first frame"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_encoded(
    config_of: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    path = config_of("wan", **(changes | {"data.cache": str(tmp_path / "cache")}))
    assert main(["--config", str(path)]) == 2
    assert re.search(sentence, " ".join(capsys.readouterr().err.split()))
    assert not (tmp_path / "cache").exists()


def test_positions_that_a_base_does_not_have_are_refused_before_anything_is_encoded(
    config_of: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extension = {"num_frames": 17, "base_frames": 9, "level": "lora", "positions": "riflex"}
    path = config_of("cogvideox-2b", extension=extension, **{"data.cache": str(tmp_path / "cache")})
    assert main(["--config", str(path)]) == 2
    assert "cannot be extended as asked: positions='riflex' changes the frequencies" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_a_trained_lora_is_exported_for_the_stock_pipeline(config_of: MakeConfig, tmp_path: Path) -> None:
    from diffusers import WanPipeline

    extension = {"num_frames": 13, "base_frames": 9, "level": "lora", "lora_rank": 2, "positions": "continued"}
    path = config_of("wan", extension=extension, **{"optimizer.learning_rate": "1e-2"})
    assert main(["--config", str(path)]) == 0
    directory = load_config(path).base
    base: Any = load_base(directory)
    loaded = load_extension(base.pipeline, tmp_path / "run" / "extension.safetensors")
    with pytest.warns(UserWarning, match="position"):
        export_lora(loaded, tmp_path / "lora")
    for name, parameter in loaded.named_parameters().items():
        if "angle_offsets" in name:  # which a stock pipeline cannot have
            assert parameter.any()
            parameter.data.zero_()
    pipe = WanPipeline.from_pretrained(directory)
    call = {"prompt": "a red circle", "num_frames": 13, "height": 32, "width": 32, "num_inference_steps": 2}
    outputs = []
    for pipeline in (pipe, base.pipeline):
        pipeline.set_progress_bar_config(disable=True)
    for pipeline, lora in ((pipe, None), (pipe, tmp_path / "lora"), (base.pipeline, None)):
        if lora is not None:
            pipeline.load_lora_weights(lora)
        generator = torch.Generator().manual_seed(0)
        outputs.append(pipeline(**call, generator=generator, output_type="latent").frames)
    plain, stock, ours = outputs
    torch.testing.assert_close(stock, ours, rtol=0, atol=1e-5)
    assert (stock - plain).abs().max() > 1e-3


def test_the_command_line_samples_what_was_trained_as_it_was_trained(config_of: MakeConfig, tmp_path: Path) -> None:
    path = config_of("wan", **{"optimizer.steps": 1})
    assert main(["--config", str(path)]) == 0
    base, out = str(load_config(path).base), tmp_path / "out.mp4"
    words = ["--prompt", "a red circle", "--steps", "2"]
    assert generate(["--base", base, "--extension", str(tmp_path / "run"), *words, "-o", str(out)]) == 0
    assert (probe(out).num_frames, probe(out).height, probe(out).width, probe(out).fps) == (13, 32, 32, 8)


def test_families_of_these_bases_are_told_by_their_networks(make_transformer_dir: Callable[..., Path]) -> None:
    for about in KINDS.values():
        name, options = about["folder"]
        base: Any = load_base(make_transformer_dir(name, **options), pipeline=about.get("pipeline"))
        assert name == family_of(base.network).NAME
        assert json.dumps(base.encoding_settings)
