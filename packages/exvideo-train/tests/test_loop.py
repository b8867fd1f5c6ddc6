"""The run as a whole: against a bare loop, killed and resumed, over processes, stages and precisions."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import AnimateDiffPipeline
from exvideo_blocks import LEVELS, ExtensionConfig, family_of, load_extension, read_safetensors
from exvideo_infer import load_base
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import find_all_clips
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.video_encoder import VideoEncoder
from exvideo_train.order import ClipOrder
from exvideo_train.step import Task, training_batch
from torch import Tensor

from tiny_world.small_base import build_animatediff

MakeConfig = Callable[..., Path]
ByHand = Callable[[Path, torch.dtype], tuple[list[float], dict[str, Tensor], dict[str, Tensor]]]
COMMAND = [sys.executable, "-m", "exvideo_train", "--config"]
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TWO_PROCESSES = [*LAUNCHER, "-m", "exvideo_train", "--config"]


def fresh_environment() -> dict[str, str]:
    """Without what a run in this process has set for itself."""
    own = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    return {name: value for name, value in os.environ.items() if name not in own}


def lines(folder: Path, key: str) -> list[float]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [record[key] for record in records if key in record]


def checkpoint_tensors(folder: Path, step: int) -> dict[str, dict[str, Tensor]]:
    checkpoint = folder / "checkpoints" / f"step-{step:08d}"
    found: dict[str, dict[str, Tensor]] = {}
    for part in sorted(checkpoint.glob("part-*.safetensors")):
        for key, value in read_safetensors(part)[0].items():
            kind, _, name = key.partition("/")
            found.setdefault(kind, {})[name] = value
    return found


def assert_same_bits(first: dict[str, dict[str, Tensor]], second: dict[str, dict[str, Tensor]]) -> None:
    for kind, tensors in first.items():
        assert set(tensors) == set(second[kind])
        assert [name for name, tensor in tensors.items() if not torch.equal(tensor, second[kind][name])] == [], kind


def test_a_run_is_the_bare_loop_and_leaves_a_loadable_extension(
    make_config: MakeConfig, tmp_path: Path, by_hand: ByHand
) -> None:
    changes = {"optimizer.steps": 3, "optimizer.ema_decay": 0.5, "engine.gradient_checkpointing": "all"}
    path = make_config(**changes)
    assert main(["--config", str(path)]) == 0
    losses, weights, ema = by_hand(path, torch.float32)
    torch.testing.assert_close(lines(tmp_path / "run", "loss"), losses, rtol=1e-6, atol=0)
    state = checkpoint_tensors(tmp_path / "run", 3)
    # Adam divides by the size of the gradient: rounding in a tiny one shows as a part of the learning rate, 1e-3.
    torch.testing.assert_close(state["master"], weights, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state["ema"], ema, rtol=1e-4, atol=1e-5)
    unet = load_base(load_config(path).base).network
    extension = load_extension(unet, tmp_path / "run" / "extension.safetensors")
    assert all(torch.equal(extension.named_parameters()[name], value) for name, value in state["ema"].items())
    assert set(state["ema"]) < set(extension.named_parameters())  # the file holds what one token cannot train, too


def test_a_run_at_level_lora_leaves_a_loadable_extension(make_config: MakeConfig, tmp_path: Path) -> None:
    extension = {"num_frames": 10, "level": "lora", "lora_rank": 3, "base_frames": 9}
    path = make_config(extension=extension, **{"optimizer.steps": 2})
    assert main(["--config", str(path)]) == 0
    unet = load_base(load_config(path).base).network
    loaded = load_extension(unet, tmp_path / "run" / "extension.safetensors")
    assert loaded.config == ExtensionConfig(**extension)
    parameters, ema = loaded.named_parameters(), checkpoint_tensors(tmp_path / "run", 2)["ema"]
    assert all(torch.equal(parameters[name], value) for name, value in ema.items())
    # The second factor of each update starts at zero, and so does the update.
    assert all(value.any() for name, value in ema.items() if ".lora_B." in name)
    assert sum(".lora_B." in name for name in ema) == 4 * len(loaded.sites())


def assert_a_killed_run_resumes_to_the_same_bits(
    make_config: MakeConfig, tmp_path: Path, steps: int = 12, every: int = 3
) -> None:
    changes: dict[str, Any] = {"optimizer.steps": steps, "checkpoint.every": every}
    unbroken, broken = make_config("unbroken", **changes), make_config("broken", **changes)
    subprocess.run([*COMMAND, str(unbroken)], check=True, env=fresh_environment())

    run = subprocess.Popen([*COMMAND, str(broken)], env=fresh_environment())
    first = tmp_path / "broken" / "checkpoints" / f"step-{every:08d}" / "state.json"
    deadline = time.monotonic() + 300
    while not first.is_file():  # it is written last, beside the steps that follow
        assert run.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (tmp_path / "broken" / "extension.safetensors").exists()

    resumed = subprocess.run(
        [*COMMAND, str(broken)], check=True, capture_output=True, text=True, env=fresh_environment()
    )
    assert "Resumed from" in resumed.stderr
    ends = (checkpoint_tensors(tmp_path / name, steps) for name in ("unbroken", "broken"))
    assert_same_bits(*ends)
    unbroken_file, broken_file = (
        read_safetensors(tmp_path / name / "extension.safetensors") for name in ("unbroken", "broken")
    )
    assert unbroken_file[1] == broken_file[1]
    assert_same_bits({"file": unbroken_file[0]}, {"file": broken_file[0]})
    assert lines(tmp_path / "broken", "loss") == lines(tmp_path / "unbroken", "loss")


@pytest.mark.long
def test_killed_in_mid_run_it_resumes_to_the_same_bits(make_config: MakeConfig, tmp_path: Path) -> None:
    assert_a_killed_run_resumes_to_the_same_bits(make_config, tmp_path)


def test_what_is_made_ahead_changes_no_bit(make_config: MakeConfig, runs: Any, tmp_path: Path) -> None:
    changes = {"data.cache": str(tmp_path / "cache"), "conditioning_dropout": 0.5, "optimizer.batch_size": 3}
    changes |= {"optimizer.steps": 2}
    for ahead in (0, 2, 8):
        path = make_config(f"ahead{ahead}", **changes, **{"data.prefetch": ahead, "checkpoint.every": 100})
        assert main(["--config", str(path)]) == 0
    for ahead in (2, 8):
        runs.assert_same_end("ahead0", f"ahead{ahead}", 2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.long
def test_one_and_two_processes_give_the_same_curve(make_config: MakeConfig, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer.steps": 20, "optimizer.batch_size": 4, "checkpoint.every": 100}
    one, two = make_config("one", **changes), make_config("two", **changes)
    assert main(["--config", str(one)]) == 0
    subprocess.run([*TWO_PROCESSES, str(two)], check=True, env=fresh_environment())
    alone, together = (lines(tmp_path / name, "loss") for name in ("one", "two"))
    assert len(alone) == len(together) == 20
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("stage", "precision"),
    [(1, "fp32"), *(pytest.param(*case, marks=pytest.mark.long) for case in ((3, "fp32"), (2, "bf16"), (3, "bf16")))],
)
def test_a_checkpoint_does_not_depend_on_the_stage(
    make_config: MakeConfig, tmp_path: Path, stage: int, precision: str
) -> None:
    changes: dict[str, Any] = {"engine.precision": precision, "data.cache": str(tmp_path / "cache")}
    changes |= {"checkpoint.every": 1, "engine.zero_stage": 2}
    assert main(["--config", str(make_config("whole", **changes, **{"optimizer.steps": 2}))]) == 0
    assert main(["--config", str(make_config("mixed", **changes, **{"optimizer.steps": 1}))]) == 0
    changes |= {"engine.attention_backend": "sdpa"}  # it is no part of a run's identity either
    other = make_config("mixed", **(changes | {"optimizer.steps": 2, "engine.zero_stage": stage}))
    assert main(["--config", str(other)]) == 0
    whole, mixed = (checkpoint_tensors(tmp_path / name, 2) for name in ("whole", "mixed"))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if precision == "fp32" else {"rtol": 0.1, "atol": 5e-3}
    torch.testing.assert_close(mixed, whole, **tolerance)
    assert any(not torch.equal(a, b) for a, b in zip(
        checkpoint_tensors(tmp_path / "mixed", 1)["master"].values(), mixed["master"].values(), strict=True
    ))  # fmt: skip


@pytest.mark.long
def test_a_program_finds_pytorch_as_it_was(make_config: MakeConfig) -> None:
    """DeepSpeed puts a linear function of its own in PyTorch's place at ZeRO 3, for all models there are."""
    before = torch.nn.functional.linear
    assert main(["--config", str(make_config(**{"optimizer.steps": 1, "engine.zero_stage": 3}))]) == 0
    assert torch.nn.functional.linear is before


def test_a_backend_that_cannot_run_is_refused_before_the_first_step(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--config", str(make_config(**{"engine.attention_backend": "triton"}))]) == 2
    refusal = "engine.attention_backend: The backend triton cannot run temporal attention on cpu"
    assert refusal in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_compiled_blocks_train_the_same(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, compiled in (("eager", False), ("compiled", True)):
        path = make_config(name, **{"optimizer.steps": 4, "engine.compile_blocks": compiled})
        assert main(["--config", str(path)]) == 0
    assert "blocks compiled, " in capsys.readouterr().err
    eager, compiled = (lines(tmp_path / name, "loss") for name in ("eager", "compiled"))
    torch.testing.assert_close(compiled, eager, rtol=0, atol=1e-5)


def test_held_out_loss_is_reported_for_the_base_and_the_extension(
    make_config: MakeConfig, footage: Path, tmp_path: Path
) -> None:
    path = make_config(
        **{"validation.videos": str(footage / "held_out"), "validation.every": 2, "validation.sigmas": [2.0]}
    )
    assert main(["--config", str(path)]) == 0
    folder = tmp_path / "run"
    losses, base = lines(folder, "validation/loss"), lines(folder, "validation_base/loss")
    assert len(losses) == len(base) == 3  # steps 0, 2, 4
    assert len(set(base)) == 1
    assert len(set(losses)) == 3
    assert set(lines(folder, "validation/mse_sigma_2")) != set(lines(folder, "validation_base/mse_sigma_2"))
    assert [path.name for path in sorted((folder / "validation").glob("step-*.json"))] == [
        f"step-{step:08d}.json" for step in (0, 2, 4)
    ]
    # the EMA was evaluated in place of the weights, and the weights are back: the curve is that of a run without
    assert main(["--config", str(make_config("plain"))]) == 0
    assert lines(tmp_path / "plain", "loss") == lines(folder, "loss")


def test_figures_reach_mlflow(make_config: MakeConfig, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    assert main(["--config", str(make_config(**{"optimizer.steps": 2}, tracking={"uri": None}))]) == 0
    client = MlflowClient(f"sqlite:///{tmp_path / 'run' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("exvideo").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.learning_rate"] == "0.001"
    assert [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")] == lines(
        tmp_path / "run", "loss"
    )


def test_only_the_newest_checkpoints_stay(make_config: MakeConfig, tmp_path: Path) -> None:
    assert (
        main(["--config", str(make_config(**{"optimizer.steps": 4, "checkpoint.every": 1, "checkpoint.keep": 2}))]) == 0
    )
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-00000003", "step-00000004"]


# --- AnimateDiff -----------------------------------------------------------------------------------------------------

# The footage's 14 frames, of a base that knows 8, at its latents' size of 8x8.
LONG: dict[str, Any] = {"extension": {"num_frames": 14, "level": "full", "base_frames": 8}, "optimizer.steps": 3}


@pytest.fixture
def config_of(make_config: MakeConfig, tiny_animatediff_dir: Path, footage: Path) -> MakeConfig:
    for number, words in enumerate(("a red circle moves left", "a blue square")):
        (footage / "train" / f"clip{number}.txt").write_text(words)
    return lambda output="run", **changes: make_config(output, base=str(tiny_animatediff_dir), **(LONG | changes))


def test_the_loss_of_an_animatediff_is_diffusers_own_arithmetic(config_of: MakeConfig) -> None:
    config = load_config(config_of())
    base: Any = load_base(config.base)
    family = family_of(base.network)
    task = Task(family, family.objective(base.scheduler, **config.objective_settings))
    cache = LatentCache(config.cache, base)
    clips, _, _ = find_all_clips(config)
    for clip in clips:
        cache.encode_text(clip.caption, base)
    VideoEncoder(cache, base, {}).encode(clips)
    order = ClipOrder(clips, config.seed, 2)
    for step in range(3):
        batch = training_batch(config, task.objective, cache, order, step, [0, 1])
        ours = task.loss(base.network, batch, torch.float32)
        noisy = base.scheduler.add_noise(batch.latents, batch.noise, batch.level)
        words = batch.conditions.tokens.repeat_interleave(batch.latents.shape[1], dim=0)
        answer = base.network(noisy.transpose(1, 2), batch.level, words).sample.transpose(1, 2)
        theirs = torch.stack([torch.nn.functional.mse_loss(*pair) for pair in zip(answer, batch.noise, strict=True)])
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "level",
    [pytest.param(level, marks=() if level in ("full", "lora") else pytest.mark.long) for level in LEVELS],
)
def test_an_animatediff_at_every_level_leaves_a_loadable_extension(
    config_of: MakeConfig, tmp_path: Path, level: str
) -> None:
    extension = {"num_frames": 14, "level": level, "base_frames": 8}
    path = config_of(extension=extension, conditioning_dropout=0.5)
    assert main(["--config", str(path)]) == 0
    base: Any = load_base(load_config(path).base)
    loaded = load_extension(base.pipeline, tmp_path / "run" / "extension.safetensors")
    assert loaded.config == ExtensionConfig(**extension)
    ema, parameters = checkpoint_tensors(tmp_path / "run", 3)["ema"], loaded.named_parameters()
    assert set(ema) == set(parameters)
    assert all(torch.equal(parameters[name], value) for name, value in ema.items())


def test_a_dry_run_tells_the_memory_of_an_animatediff(
    config_of: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(config_of()), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["memory"]["parts"]["activations"] > 0


@pytest.mark.long
def test_an_animatediff_killed_resumes_to_the_same_bits(config_of: MakeConfig, tmp_path: Path) -> None:
    assert_a_killed_run_resumes_to_the_same_bits(config_of, tmp_path)


@pytest.mark.long
def test_an_animatediff_on_one_and_two_processes_gives_the_same_curve(config_of: MakeConfig, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer.steps": 8, "optimizer.batch_size": 4, "checkpoint.every": 100}
    one, two = config_of("one", **changes), config_of("two", **changes)
    assert main(["--config", str(one)]) == 0
    subprocess.run([*TWO_PROCESSES, str(two)], check=True, env=fresh_environment())
    alone, together = (lines(tmp_path / name, "loss") for name in ("one", "two"))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_held_out_figures_of_a_base_that_cannot_run_so_far_are_left_out(
    config_of: MakeConfig, footage: Path, tmp_path: Path, tiny_animatediff_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = {"validation.videos": str(footage / "held_out"), "validation.sigmas": [2.0], "optimizer.steps": 1}
    assert main(["--config", str(config_of("runs", **validation))]) == 0
    assert (
        len(lines(tmp_path / "runs", "validation/loss")) == len(lines(tmp_path / "runs", "validation_base/loss")) == 2
    )
    AnimateDiffPipeline(**build_animatediff(("a",), rows=8)).save_pretrained(tmp_path / "short")
    path = config_of("cannot", **validation)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"base": str(tmp_path / "short")}))
    assert main(["--config", str(path)]) == 0
    assert "The base cannot run 14 frames" in capsys.readouterr().err
    assert len(lines(tmp_path / "cannot", "validation/loss")) == 2
    assert lines(tmp_path / "cannot", "validation_base/loss") == []


@pytest.mark.long
def test_the_recipe_that_ships_runs(
    clip_writer: Callable[..., Path], tiny_animatediff_dir: Path, tmp_path: Path
) -> None:
    recipe = yaml.safe_load((Path(__file__).parents[3] / "configs" / "animatediff-64f.yaml").read_text())
    for seed, part in enumerate(("train", "held_out")):
        (tmp_path / part).mkdir()
        clip_writer(tmp_path / part / "clip.mp4", frames=64, seed=seed)
    recipe |= {"base": str(tiny_animatediff_dir), "output": str(tmp_path / "run")}
    recipe["data"] |= {"videos": str(tmp_path / "train"), "size": [32, 32]}
    recipe["validation"]["videos"] = str(tmp_path / "held_out")
    recipe["optimizer"] |= {"steps": 1, "batch_size": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["--config", str(tmp_path / "recipe.yaml")]) == 0
    base: Any = load_base(tiny_animatediff_dir)
    assert load_extension(base.pipeline, tmp_path / "run" / "extension.safetensors").config.num_frames == 64
