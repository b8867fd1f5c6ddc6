"""Clips sampled in the course of a run: what they are, and that training does not notice them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import read_extension_header
from exvideo_infer import probe
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.errors import UserError
from exvideo_train.samples import Samples, samples
from exvideo_train.samples import scores as scores_module
from PIL import Image

MakeConfig = Callable[..., Path]
SAMPLES = {"every": 2, "num_inference_steps": 2}


@pytest.fixture
def config_of(make_config: MakeConfig, footage: Path, tmp_path: Path) -> MakeConfig:
    """A run with a held-out clip, in a cache that runs share."""

    def make(output: str, **changes: Any) -> Path:
        shared = {"validation.videos": str(footage / "held_out"), "validation.sigmas": [2.0]}
        return make_config(output, **shared | {"data.cache": str(tmp_path / "cache")} | changes)

    return make


@pytest.mark.long
def test_training_does_not_notice_samples(config_of: MakeConfig, runs: Any, tmp_path: Path) -> None:
    assert main(["--config", str(config_of("plain"))]) == 0
    state = torch.random.get_rng_state()
    assert main(["--config", str(config_of("sampled", samples=SAMPLES))]) == 0
    assert torch.equal(torch.random.get_rng_state(), state)
    plain, sampled = runs.tensors("plain", 4), runs.tensors("sampled", 4)
    assert plain.keys() == sampled.keys()
    assert all(torch.equal(value, sampled[name]) for name, value in plain.items())
    assert runs.figures("plain", "loss") == runs.figures("sampled", "loss")
    assert runs.figures("plain", "validation/loss") == runs.figures("sampled", "validation/loss")
    training = read_extension_header(tmp_path / "sampled" / "extension.safetensors").training
    assert training is not None
    assert training["sampling"]["num_inference_steps"] == 2  # what one has looked at is what one gets
    folder = tmp_path / "sampled" / "samples"
    for place in ("real", "base", "step-00000002", "step-00000004"):
        (clip,) = (folder / place).glob("*.mp4")
        info = probe(clip)
        assert (clip.stem, info.num_frames, info.fps, info.width, info.height) == ("00-clip0", 10, 8.0, 32, 32)
    clips = [(folder / place / "00-clip0.mp4").read_bytes() for place in ("base", "step-00000002", "step-00000004")]
    assert len(set(clips)) == 3
    with Image.open(folder / "step-00000004" / "sheet.png") as sheet:
        assert sheet.width > 8 * 112  # eight frames
    (first, last) = [record for record in runs.records("sampled") if "samples/seconds" in record]
    assert (first["step"], last["step"]) == (2, 4)
    assert {"samples/psnr_to_real", "samples_base/psnr_to_real", "samples/peak_gib"} < first.keys()
    result = json.loads((folder / "step-00000004" / "scores.json").read_text())
    assert result["schema"] == "exvideo.result/2"


def test_the_base_is_sampled_once_and_a_step_is_not_sampled_again(
    config_of: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = Samples.make

    def make(self: Samples, network: Any, dtype: torch.dtype, folder: Path) -> bool:
        made.append(folder.name)
        return real(self, network, dtype, folder)

    monkeypatch.setattr(Samples, "make", make)
    changes: dict[str, Any] = {"samples": SAMPLES | {"metrics": False}, "checkpoint.every": 3}
    assert main(["--config", str(config_of("run", **changes, **{"optimizer.steps": 3}))]) == 0
    assert made == ["base", "step-00000002", "step-00000003"]
    later = tmp_path / "run" / "samples" / "step-00000009"  # of a run that was longer, and is begun again before it
    later.mkdir()
    made.clear()
    assert main(["--config", str(config_of("run", **changes, **{"optimizer.steps": 4}))]) == 0
    assert made == ["step-00000004"]
    assert not later.exists()
    assert [record["step"] for record in runs.records("run") if "samples/seconds" in record] == [2, 3, 4]


@pytest.mark.long
def test_a_stop_in_the_midst_of_sampling_loses_nothing(
    config_of: MakeConfig, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"samples": SAMPLES | {"metrics": False}, "checkpoint.every": 100}
    real, calls = samples.denoise, []

    def denoise(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:  # the first was the base's
            (tmp_path / "stopped" / "stop").touch()
        return real(*args, **options)

    monkeypatch.setattr(samples, "denoise", denoise)
    monkeypatch.setattr("exvideo_train.stop.LOOK_SECONDS", 0.0)
    assert main(["--config", str(config_of("stopped", **changes))]) == 75
    assert not (tmp_path / "stopped" / "samples" / "step-00000002" / "sheet.png").exists()
    assert main(["--config", str(config_of("stopped", **changes))]) == 0
    assert main(["--config", str(config_of("whole", **changes))]) == 0
    runs.assert_same_end("whole", "stopped", 4)
    for step in (2, 4):
        clips = [tmp_path / name / "samples" / f"step-{step:08d}" / "00-clip0.mp4" for name in ("whole", "stopped")]
        assert clips[0].read_bytes() == clips[1].read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("stage", [2, 3])
def test_clips_are_spread_over_processes(config_of: MakeConfig, tmp_path: Path, runs: Any, stage: int) -> None:
    """Three clips for two processes, so that one of them makes a clip for nothing."""
    wanted = SAMPLES | {"seeds": [0, 1, 2], "metrics": False}
    changes = {"samples": wanted, "engine.zero_stage": stage, "optimizer.steps": 2}
    status, said = runs.finish(config_of("two", **changes), processes=2)
    assert status == 0, said
    folder = tmp_path / "two" / "samples" / "step-00000002"
    names = [f"00-clip0-seed-{seed}.mp4" for seed in (0, 1, 2)]
    assert sorted(path.name for path in folder.glob("*.mp4")) == names
    assert len({(folder / name).read_bytes() for name in names}) == 3


def test_without_exvideo_eval_samples_are_not_scored_which_is_said_once(
    config_of: MakeConfig, runs: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scores_module, "PACKAGE", "not_installed")
    assert main(["--config", str(config_of("run", samples=SAMPLES))]) == 0
    assert capsys.readouterr().err.count('pip install "exvideo-train[eval]"') == 1
    assert not any("samples/psnr_to_real" in record for record in runs.records("run"))


def test_pictures_and_prompts(
    make_config: MakeConfig, tmp_path: Path, tiny_animatediff_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words alone, for a family that begins at no picture; and it may be a base that cannot run so far."""
    wanted = SAMPLES | {"first_frames": None, "prompts": ["a red circle", ""], "max_guidance_scale": 2.0}
    changes = {"extension": {"num_frames": 14, "base_frames": 8}, "base": str(tiny_animatediff_dir)}
    path = make_config("words", samples=wanted, **changes, **{"optimizer.steps": 2})
    assert main(["--config", str(path)]) == 0, capsys.readouterr().err
    folder = tmp_path / "words" / "samples"
    assert {clip.name for clip in (folder / "step-00000002").glob("*.mp4")} == {"00-a-red-circle.mp4", "01-clip.mp4"}
    assert (folder / "base" / "00-a-red-circle.mp4").is_file()

    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    wanted = SAMPLES | {"first_frames": [str(tmp_path / "red.png")], "fps": 12}
    path = make_config("picture", samples=wanted, **{"optimizer.steps": 2})
    assert main(["--config", str(path)]) == 0
    assert probe(tmp_path / "picture" / "samples" / "step-00000002" / "00-red.mp4").fps == 12.0

    wanted = SAMPLES | {"first_frames": None, "prompts": ["a red circle"]}
    assert main(["--config", str(make_config("refused", samples=wanted))]) == 2
    assert "samples.prompts: the base reads no text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "samples.first_frames is held_out and there is no validation.videos"),
        ({"first_frames": None}, "samples: first_frames is null and there are no prompts"),
        ({"first_frames": ["a.png"], "prompts": ["a", "b"]}, "there are 1 first_frames and 2 prompts: give as many"),
        ({"first_frames": ["a.png"], "min_guidance_scale": 0.5}, r"samples\.min_guidance_scale: 0\.5 is refused"),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_anything_is_loaded(
    make_config: MakeConfig, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_config(make_config(samples=wanted))


def test_scores_that_are_asked_for_need_exvideo_eval(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exvideo_train.config.watch.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "exvideo-train\[eval\]"'):
        load_config(make_config(samples={"first_frames": ["a.png"], "metrics": True}))


def test_a_picture_that_is_not_there_is_told_at_once(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config(base="no/such/base", samples={"first_frames": ["absent.png"]})
    assert main(["--config", str(path)]) == 2
    assert "samples.first_frames: there is no picture absent.png" in capsys.readouterr().err


@pytest.mark.long
def test_a_step_after_samples_takes_as_long_as_before(config_of: MakeConfig, runs: Any) -> None:
    """The five steps after each of forty samplings against the five before the next one, by medians over samplings.

    What a neighbour on the machine does falls on all places alike, and the interval over samplings says how much of
    the ratio is that.
    """
    every, half = 10, 5
    often = SAMPLES | {"every": every, "num_inference_steps": 1, "metrics": False}
    far = {"checkpoint.every": 10**6, "validation.every": 10**6}
    assert main(["--config", str(config_of("often", samples=often, **far, **{"optimizer.steps": 41 * every}))]) == 0
    seconds = np.array(runs.figures("often", "seconds"))[every:].reshape(-1, every)  # a row begins with a sampling

    def after_by_before(rows: Any) -> Any:
        places = np.median(rows, axis=-2)
        return places[..., :half].mean(-1) / places[..., half:].mean(-1)

    drawn = np.random.default_rng(0).integers(len(seconds), size=(2000, len(seconds)))
    ratio, low = after_by_before(seconds), np.quantile(after_by_before(seconds[drawn]), 0.05)
    print(f"after samples / before: {ratio:.3f}, at least {low:.3f} in 95%, {len(seconds)} samplings")
    assert low <= 1.03
