"""Runs on clips of several sizes and lengths."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_blocks import read_extension_header
from exvideo_infer import ExVideoPipeline, load_base
from exvideo_train.bases import completed, task_of
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.dataset import Clip
from exvideo_train.data.sharing import Alone
from exvideo_train.errors import UserError
from exvideo_train.order import ClipOrder
from exvideo_train.processes import Processes
from exvideo_train.step import training_batch
from exvideo_train.stop import Requests
from exvideo_train.validation import Evaluation, Validation

from tiny_world.camera_files import write

MakeConfig = Callable[..., Path]
SQUARE, TALL = (32, 32), (48, 32)
SEVERAL: dict[str, Any] = {"data.size": None, "data.sizes": [list(SQUARE), list(TALL)], "data.lengths": [6, 10]}


def pictures(height: int, width: int, num_frames: int, seed: int) -> list[np.ndarray]:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    large = noise.repeat(8, axis=0).repeat(8, axis=1)
    return [np.roll(large, shift, axis=1) for shift in range(num_frames)]


@pytest.fixture(scope="session")
def phone_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train`: square and upright files, long ones and short ones; `held_out`: one of each length."""
    folder = tmp_path_factory.mktemp("phone_footage")
    for part in ("train", "held_out"):
        (folder / part).mkdir()
    for seed, frames in enumerate((14, 14, 7)):
        write(folder / "train" / f"square{seed}.mp4", pictures(32, 32, frames, seed))
    for seed, frames in enumerate((12, 8), start=10):  # stored on their sides
        stored = [np.rot90(picture).copy() for picture in pictures(64, 40, frames, seed)]
        write(folder / "train" / f"phone{seed}.mp4", stored, change=lambda stream: stream.set_display_rotation(-90))
    write(folder / "held_out" / "square.mp4", pictures(32, 32, 11, 20))
    write(folder / "held_out" / "tall.mp4", pictures(64, 40, 6, 21))
    return folder


@pytest.fixture
def config_of(make_config: MakeConfig, phone_footage: Path, tmp_path: Path) -> MakeConfig:
    def make(output: str = "run", **changes: Any) -> Path:
        shared = {"data.videos": str(phone_footage / "train"), "data.cache": str(tmp_path / "cache"), **SEVERAL}
        return make_config(output, **shared | changes)

    return make


def test_clips_land_in_the_bucket_of_their_shape_as_shown(
    config_of: MakeConfig, tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, config = load_base(tiny_base_dir), load_config(config_of())
    data = encode_data(completed(config, base), base, Alone(), lambda done, total: None)
    found = {(clip.path.name, clip.size, clip.num_frames) for clip in data.training}
    assert found == {
        ("square0.mp4", SQUARE, 10), ("square1.mp4", SQUARE, 10), ("square2.mp4", SQUARE, 6),
        ("phone10.mp4", TALL, 10), ("phone11.mp4", TALL, 6),
    }  # fmt: skip
    for clip in data.training:
        latents = data.cache.read(clip).latents
        assert (latents.shape[0], *latents.shape[2:]) == (clip.num_frames, clip.size[0] // 4, clip.size[1] // 4)
    order = ClipOrder(data.training, 0, 2)
    task = task_of(config, base)
    shapes = {training_batch(config, task.objective, data.cache, order, n, [0, 1]).latents.shape for n in range(20)}
    assert len(shapes) == 4
    told = "data.videos: 2 clips of 48x32, 10 frames; 6 clips of 32x32, 10 frames; 2 clips of 48x32, 6 frames; "
    assert told + "1 clips of 32x32, 6 frames." in capsys.readouterr().err
    (source,) = json.loads((tmp_path / "run" / "data.json").read_text())["sources"]
    assert source["buckets"][0] == {"size": [48, 32], "frames": 10, "clips": 2}
    assert [bucket["clips"] for bucket in source["buckets"]] == [2, 6, 2, 1]


@pytest.mark.long
def test_what_is_made_ahead_changes_no_bit_and_all_is_told(
    config_of: MakeConfig, phone_footage: Path, runs: Any, tmp_path: Path, tiny_base_dir: Path
) -> None:
    held_out = {"validation.videos": str(phone_footage / "held_out"), "validation.sigmas": [2.0, 20.0]}
    watched: dict[str, Any] = held_out | {"samples": {"every": 6, "num_inference_steps": 2}}
    changes: dict[str, Any] = {"optimizer.steps": 6, "checkpoint.every": 100, "conditioning_dropout": 0.5}
    for ahead in (0, 2):
        path = config_of(f"ahead{ahead}", **changes, **({} if ahead else watched), **{"data.prefetch": ahead})
        assert main(["--config", str(path)]) == 0
    ours, others = runs.tensors("ahead0", 6), runs.tensors("ahead2", 6)
    assert all(torch.equal(value, others[name]) for name, value in ours.items())
    assert runs.figures("ahead0", "loss") == runs.figures("ahead2", "loss")
    assert len(set(runs.figures("ahead0", "bucket"))) > 1

    record = json.loads((tmp_path / "ahead0" / "validation" / "step-00000006.json").read_text())
    assert [len(curve) for curve in record["mse_by_frame"]] == [10, 10]
    assert [min(curve) > 0 for curve in record["mse_by_frame"]] == [True, True]  # also where one clip alone has frames
    file = tmp_path / "ahead0" / "extension.safetensors"
    training = read_extension_header(file).training
    assert training is not None
    assert (training["sizes"], training["lengths"]) == ([list(TALL), list(SQUARE)], [10, 6])
    card = (tmp_path / "ahead0" / "README.md").read_text()
    assert "| clips | 2 of 10 frames at 48x32, 6 of 10 frames at 32x32, " in card
    sampled = {path.name for path in (tmp_path / "ahead0" / "samples" / "step-00000006").glob("*.mp4")}
    assert sampled == {"00-square.mp4", "01-tall.mp4"}
    pipe = ExVideoPipeline.from_pretrained(tiny_base_dir)
    pipe.load_extension(file)
    assert pipe.default_size() == TALL  # the first


def test_the_held_out_loss_is_the_mean_of_the_clips_and_of_a_frame_the_mean_of_those_that_have_it(
    config_of: MakeConfig, phone_footage: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    base = load_base(tiny_base_dir)
    changes = {"validation.videos": str(phone_footage / "held_out"), "validation.sigmas": [2.0]}
    config = completed(load_config(config_of(**changes)), base)
    assert config.validation is not None
    data, task = encode_data(config, base, Alone(), lambda done, total: None), task_of(config, base)
    processes, requests = Processes(config.distributed), Requests(tmp_path)

    def judged(*clips: Clip) -> Evaluation:
        assert config.validation is not None
        about = (task, config.validation, config, data.cache, list(clips), processes, requests, 8)
        found = Validation(*about)(base.network, torch.float32)
        assert found is not None
        return found

    square, tall = data.held_out
    assert (square.num_frames, tall.num_frames) == (10, 6)
    both, one, other = judged(square, tall), judged(square), judged(tall)
    second = 2 * judged(tall, tall).loss - other.loss  # the noise of a clip goes by its place
    assert both.loss == pytest.approx((one.loss + second) / 2, rel=1e-6)
    assert both.mse_by_frame[0][6:] == one.mse_by_frame[0][6:]
    assert len(other.mse_by_frame[0]) == 6
    assert both.loss_by_bucket == pytest.approx({"32x32x10": one.loss, "48x32x6": second}, rel=1e-6)
    assert both.figures(8).keys() - one.figures(8).keys() == {"loss_32x32x10", "loss_48x32x6"}


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_resumes_to_the_same_bits(config_of: MakeConfig, runs: Any, processes: int) -> None:
    changes = {"optimizer.steps": 12, "checkpoint.every": 5}
    unbroken, broken = config_of("unbroken", **changes), config_of("broken", **changes)
    status, said = runs.finish(unbroken, processes=processes)
    assert status == 0, said
    run = runs.start(broken, processes=processes, start_new_session=True)
    runs.wait_for(run, lambda: len(runs.figures("broken", "loss")) >= 7)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    status, said = runs.finish(broken, processes=processes)
    assert status == 0, said
    assert "Resumed from" in said
    runs.assert_same_end("unbroken", "broken", 12)


@pytest.mark.long
def test_one_and_two_processes_give_the_same_curve(config_of: MakeConfig, runs: Any) -> None:
    changes = {"optimizer.steps": 10, "optimizer.batch_size": 4, "checkpoint.every": 100}
    for processes in (1, 2):
        status, said = runs.finish(config_of(f"of{processes}", **changes), processes=processes)
        assert status == 0, said
    alone, together = (torch.tensor(runs.figures(f"of{processes}", "loss")) for processes in (1, 2))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_other_buckets_are_another_run(config_of: MakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config_of(**{"optimizer.steps": 1}))]) == 0
    assert main(["--config", str(config_of(**{"optimizer.steps": 1, "data.lengths": [10]}))]) == 2
    assert "data.lengths was [10, 6], is [10]" in capsys.readouterr().err


@pytest.mark.long
def test_the_plan_is_of_the_largest_bucket(config_of: MakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_of(**{"optimizer.steps": 2, "optimizer.batch_size": 12})
    assert main(["--config", str(path), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["memory"]["clips"] == {"height": 48, "width": 32, "num_frames": 10}
    assert main(["--config", str(path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "of clips of 48x32, 10 frames, the largest" in said
    assert "The 1 clips of 32x32, 6 frames come in none of 2 steps, as they fill no batch by then" in said
    large = plan["memory"]["parts"]["activations"]
    assert main(["--config", str(config_of(**{"data.lengths": [6]})), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["memory"]["parts"]["activations"] < 0.8 * large


def test_the_room_of_the_cache_is_predicted(
    config_of: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_of()
    assert main(["--config", str(path), "--dry-run", "--json"]) == 0
    predicted = json.loads(capsys.readouterr().out)["disk"]["cache"]
    assert main(["--config", str(path), "--encode-only"]) == 0
    files = list((tmp_path / "cache").rglob("*.safetensors"))
    assert predicted == pytest.approx(sum(file.stat().st_size for file in files), abs=128 * len(files))
    assert main(["--config", str(path), "--prune"]) == 0
    assert sorted((tmp_path / "cache").rglob("*.safetensors")) == sorted(files)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.size": [32, 32]}, r"data: both size and sizes are given: leave one of the two out"),
        ({"data.sizes": [[32, 32], [64, 64]]}, r"data: sizes has \[32, 32\] and \[64, 64\], which are of one aspect"),
        ({"data.lengths": [12, 6]}, r"data\.lengths has 12, and extension\.num_frames is 10: give lengths of no more"),
        ({"data.lengths": [6, 6]}, r"data\.lengths: \[6, 6\] is refused, a length stands twice"),
        ({"data.lengths": [1]}, r"data\.lengths"),
        ({"data.lengths": []}, r"data\.lengths"),
    ],
)
def test_buckets_that_make_no_sense_are_refused_by_name(
    config_of: MakeConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_config(config_of(**changes))


def test_a_size_that_the_base_cannot_halve_is_refused(config_of: MakeConfig, tiny_base_dir: Path) -> None:
    config = load_config(config_of(**{"data.sizes": [[32, 32], [30, 64]]}))
    with pytest.raises(UserError, match=r"^data\.sizes: height x width is 30x64: give positive multiples of "):
        completed(config, load_base(tiny_base_dir))
