"""Bad input: one sentence, exit status 2, no traceback; or a skip that names the file."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_train.cli import main
from exvideo_train.step import Task

MakeConfig = Callable[..., Path]
UNET_WEIGHTS = "diffusion_pytorch_model.safetensors"


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--config", str(path)]) == 2
    message = capsys.readouterr().err.strip()
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("what", ["--print-schema", "--print-config", "--dry-run"])
def test_what_is_printed_alone_is_not_lost_without_a_word_where_the_disk_is_full(
    what: str, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", full)
        assert main(["--config", str(make_config()), what]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Not all could be printed (No space left on device): make room, or print it elsewhere."
    )
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_wrong_folders(make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    absent, empty = str(tmp_path / "absent"), str(tmp_path / "empty")
    assert f"{absent} does not exist" in refused(make_config(**{"data.videos": absent}), capsys)
    assert f"{empty} has no video file" in refused(make_config(**{"data.videos": empty}), capsys)
    assert f"There is no folder {absent}" in refused(make_config(base=absent), capsys)


def test_a_base_of_another_family(
    make_config: MakeConfig, tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "images"
    shutil.copytree(tiny_base_dir, base)
    index = json.loads((base / "model_index.json").read_text())
    (base / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionPipeline"}))
    known = (
        "StableVideoDiffusionPipeline, ExVideoPipeline, AnimateDiffPipeline, WanPipeline, WanImageToVideoPipeline, "
        "LTXPipeline, LTXImageToVideoPipeline, HunyuanVideoPipeline, CogVideoXPipeline"
    )
    message = f"{base} is of StableDiffusionPipeline: give a base of {known}"
    registered_by_others = r"(, \w+)*\."  # in this process, as the tiny world's small Wan is
    assert re.fullmatch(re.escape(message) + registered_by_others, refused(make_config(base=str(base)), capsys))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer.learning_rate": "fast"}, "optimizer.learning_rate: 'fast' is refused"),
        ({"optimiser": {"steps": 3}}, "optimiser is not a known key"),
        ({"extension.num_frames": 8}, "num_frames=8 is no extension of a base model of 8 frames"),
        ({"data.size": [30, 32]}, "data.size: height x width is 30x32: give positive multiples of "),
        ({"data.size": [4, 64]}, "data.size: height x width is 4x64: give positive multiples of "),
        ({"extension.base_frames": 12}, "num_frames=10 is no extension of a base model of 12 frames"),
    ],
)
def test_wrong_values(
    make_config: MakeConfig, changes: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(make_config(**changes), capsys)


def test_a_damaged_file_among_good_ones_is_left_out_by_name(
    make_config: MakeConfig, footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(footage / "train", videos)
    whole = (videos / "clip0.mp4").read_bytes()
    middle = len(whole) // 2
    (videos / "damaged.mp4").write_bytes(whole[: middle // 2] + bytes(middle // 2) + whole[middle:])
    (videos / "cut.mp4").write_bytes(whole[:middle])
    assert main(["--config", str(make_config(**{"data.videos": str(videos), "optimizer.steps": 1}))]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Left out: ")]
    assert len(told) == 2
    assert "cut.mp4" in told[0] + told[1]
    assert "damaged.mp4" in told[0] + told[1]


def test_a_checkpoint_of_another_run_is_refused(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_base_dir: Path
) -> None:
    assert main(["--config", str(make_config())]) == 0
    capsys.readouterr()
    assert main(["--config", str(make_config(**{"optimizer.learning_rate": 2e-3}))]) == 2
    assert "belongs to another run (optimizer.learning_rate was 0.001, is 0.002)" in capsys.readouterr().err
    another = tmp_path / "another_base"
    shutil.copytree(tiny_base_dir, another)
    weights, metadata = read_safetensors(another / "unet" / UNET_WEIGHTS)
    write_safetensors(another / "unet" / UNET_WEIGHTS, {k: v * 0.5 for k, v in weights.items()}, metadata)
    assert main(["--config", str(make_config(base=str(another)))]) == 2
    assert "belongs to another run (base.weights was" in capsys.readouterr().err


def test_a_decay_that_has_begun_keeps_its_length(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    decay = {"optimizer.learning_rate_schedule": "linear"}
    assert main(["--config", str(make_config(**decay))]) == 0
    rates = [json.loads(line).get("learning_rate") for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
    capsys.readouterr()
    assert main(["--config", str(make_config(**decay, **{"optimizer.steps": 6}))]) == 2
    assert "belongs to another run (optimizer.steps was 4, is 6)" in capsys.readouterr().err


def test_a_diverging_run_stops_before_the_weights_are_touched(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = Task.loss
    monkeypatch.setattr(Task, "loss", lambda *args: real(*args) * float("inf"))
    assert main(["--config", str(make_config())]) == 1
    assert "The loss is inf at step 1, from " in capsys.readouterr().err
    assert not (tmp_path / "run" / "extension.safetensors").exists()


@pytest.mark.parametrize(
    ("prediction_type", "found"), [("epsilon", "'epsilon'"), ("sample", "'sample'"), (None, "None")]
)
def test_a_base_with_a_scheduler_of_another_prediction_is_refused_before_anything_is_encoded(
    make_config: MakeConfig,
    tiny_base_dir: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    prediction_type: str | None,
    found: str,
) -> None:
    shutil.copytree(tiny_base_dir, tmp_path / "base")
    path = tmp_path / "base" / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": prediction_type}))
    assert main(["--config", str(make_config(base=str(tmp_path / "base")))]) == 2
    complaint = capsys.readouterr().err
    assert f"The base {tmp_path / 'base'} does not fit together. The scheduler, a EulerDiscreteScheduler" in complaint
    assert f"has prediction_type={found}, but Stable Video Diffusion models predict 'v_prediction': give" in complaint
    assert not (tmp_path / "run").exists()


def test_a_setting_that_the_base_s_objective_does_not_have_is_refused_before_anything_is_encoded(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--config", str(make_config(noise={"distribution": "discrete"}))]) == 2
    assert "distribution='discrete' is unknown to this model's objective: choose one of" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
