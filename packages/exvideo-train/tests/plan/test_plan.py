import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import LiveBytes
from exvideo_train.cli import main
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.engine import Engine
from exvideo_train.mounting import free_originals, mount, trained_parameters
from exvideo_train.plan.activations import peak_of_a_pass
from exvideo_train.plan.cheaper import cheapest
from exvideo_train.plan.memory import memory_of
from exvideo_train.plan.model import PlannedModel
from exvideo_train.plan.probe import held_bytes, probe
from exvideo_train.plan.state import state_bytes
from exvideo_train.processes import Processes
from torch.autograd.profiler import profile

MakeConfig = Callable[..., Path]
STATE = ("weights", "masters", "moments", "ema", "gradients")


def difference_of_state(config: TrainConfig) -> dict[str, tuple[int, int]]:
    """Parts of the state of which other bytes are predicted than a real engine holds before its first update."""
    processes, model = Processes(config.distributed), PlannedModel(config)
    config = model.config
    predicted = state_bytes(model.shapes(config), config, processes.count, processes.rank)
    batch, network = model.batch(config), model.base.network
    extension, _ = mount(network, config)
    free_originals(extension, network, processes.device)
    parameters = trained_parameters(extension, network, config, model.context_tokens)
    engine = Engine(network, parameters, config, processes)
    for turn in range(engine.micro_batches):
        engine.backward(model.task.loss(engine, batch, engine.dtype).mean(), turn)
    held = held_bytes(engine, network)
    engine.close()
    processes.wait()
    processes.watch.close()
    return {part: (predicted[part], held[part]) for part in STATE if predicted[part] != held[part]}


@pytest.mark.parametrize("change", [{}, {"precision": "bf16"}, {"offload_optimizer": True}], ids=str)
def test_the_state_is_predicted_to_the_byte(make_config: MakeConfig, change: dict[str, Any]) -> None:
    settings = {"precision": "fp32", "zero_stage": 0, "gradient_checkpointing": "none"} | change
    assert difference_of_state(load_config(make_config(engine=settings))) == {}


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_the_state_of_every_process_is_predicted_to_the_byte(
    make_config: MakeConfig, runs: Any, stage: int, precision: str, processes: int
) -> None:
    path = make_config(engine={"zero_stage": stage, "precision": precision})
    command = runs.command(path, processes=processes, module=str(Path(__file__).with_name("planned_state.py")))
    done = subprocess.run(command, env=runs.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n").count("equal") == processes, done.stdout


@pytest.mark.parametrize("checkpointing", ["all", "none"])
def test_the_peak_of_a_pass_is_predicted_as_the_allocator_counts_it(
    make_config: MakeConfig, checkpointing: str
) -> None:
    path = make_config(engine={"precision": "fp32", "gradient_checkpointing": checkpointing})
    model = PlannedModel(load_config(path))
    config = model.config
    predicted = model.activation_bytes(config)
    network, batch = model.base.network, model.batch(config)
    extension, _ = mount(network, config)
    parameters = trained_parameters(extension, network, config, model.context_tokens)
    if checkpointing == "all":
        network.enable_gradient_checkpointing()
    for parameter in parameters.values():
        parameter.register_post_accumulate_grad_hook(lambda one: setattr(one, "grad", None))
    for parameter in network.parameters():
        parameter.requires_grad_(any(parameter is one for one in parameters.values()))
    with profile(profile_memory=True) as profiler:
        model.task.loss(network, batch, torch.float32).mean().backward()
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]  # type: ignore[union-attr]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    assert predicted == pytest.approx(peak, rel=0.05)
    assert peak_of_a_pass(network, set(parameters), model.task, batch, torch.float32, "meta") == pytest.approx(
        peak, rel=0.25
    )


def test_a_tensor_counts_as_long_as_something_holds_it() -> None:
    live = LiveBytes()
    with live:
        kept = torch.zeros(100)
        view = kept[10:]
        torch.zeros(1000)
        assert live.now == 400
        del kept
        assert live.now == 400
        del view
    assert (live.now, live.peak) == (0, 4400)


@pytest.mark.parametrize("stage", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_probe_agrees_with_the_plan(make_config: MakeConfig, stage: int) -> None:
    settings = {"precision": "fp32", "zero_stage": stage, "gradient_checkpointing": "all"}
    model = PlannedModel(load_config(make_config(engine=settings, **{"optimizer.batch_size": 1})))
    planned = memory_of(model, model.config, 1)
    measured = probe(model, model.config)
    assert measured.peak == pytest.approx(planned.peak, rel=0.05)
    assert measured.seconds_per_step > 0


def test_the_cheapest_change_is_found(make_config: MakeConfig) -> None:
    changes = {"optimizer.micro_batch_size": 2, "engine": {"precision": "fp32", "gradient_checkpointing": "none"}}
    config = load_config(make_config(**changes))

    def told(fits: Callable[[TrainConfig], bool], processes: int = 1) -> list[str] | None:
        found = cheapest(config, processes, fits)
        return found if found is None else [key for key, _ in found]

    assert told(lambda one: one.optimizer.micro_batch_size == 1) == ["optimizer.micro_batch_size=1"]
    assert told(lambda one: one.engine.precision == "bf16") == ["engine.precision=bf16"]
    assert told(lambda one: one.engine.precision == "bf16" and one.engine.gradient_checkpointing == "all") == [
        "optimizer.micro_batch_size=1",
        "engine.gradient_checkpointing=all",
        "engine.precision=bf16",
    ]
    assert told(lambda one: one.engine.zero_stage == 3) is None
    assert told(lambda one: one.engine.zero_stage == 3, processes=2) == ["engine.zero_stage=3"]


def test_a_dry_run_tells_all_and_trains_nothing(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--config", str(make_config()), "--dry-run"]
    assert main([*command, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["fits"]
    assert plan["data"][0]["clips"] == 9
    assert plan["memory"]["peak"] > plan["memory"]["parts"]["weights"] > 0
    assert plan["time"]["steps"] == 4
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert main([*command, "--probe"]) == 0
    assert " s each: " in capsys.readouterr().out
    assert main([*command, "--memory-gib", "0.02"]) == 3
    said = capsys.readouterr().out
    assert "DOES NOT FIT" in said
    assert "It fits with:\n" in said or "No change of settings makes it fit" in said
    assert main([*command, "--processes", "3"]) == 2
    assert "cannot be spread over 3 processes" in capsys.readouterr().err


@pytest.mark.long
def test_the_room_of_a_checkpoint_and_of_the_cache_is_predicted(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config(**{"noise_augmentation.variants": 2})
    assert main(["--config", str(path), "--dry-run", "--json"]) == 0
    disk = json.loads(capsys.readouterr().out)["disk"]
    assert main(["--config", str(path)]) == 0
    written = (tmp_path / "run" / "checkpoints" / "step-00000004").glob("*.safetensors")
    assert sum(file.stat().st_size for file in written) == pytest.approx(disk["checkpoint"], rel=0.03)
    cached = (tmp_path / "run" / "latents").rglob("*.safetensors")
    # The clips are so small that the headers of their files weigh.
    assert sum(file.stat().st_size for file in cached) == pytest.approx(disk["cache"], rel=0.3)


def test_a_probe_is_of_the_processes_that_are_there(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(make_config()), "--dry-run", "--probe", "--processes", "2"]) == 2
    assert "--probe measures the processes that are started, 1 here" in capsys.readouterr().err


@pytest.mark.long
def test_a_dry_run_of_the_short_form_ends_in_seconds(tmp_path: Path, clip_writer: Callable[..., Path]) -> None:
    for folder in ("config", "train", "held_out"):
        (tmp_path / folder).mkdir()
    clip_writer(tmp_path / "train" / "a.mp4", frames=260, seed=1)
    clip_writer(tmp_path / "held_out" / "b.mp4", frames=260, seed=2)
    root = Path(__file__).parents[4]
    (tmp_path / "config" / "deepspeed_config.json").write_text((root / "configs/deepspeed_config.json").read_text())
    (tmp_path / "first.yaml").write_text((root / "configs/default.yaml").read_text())
    settings = ["data.train_path=train", "data.val_path=held_out", "distributed.backend=auto"]
    command = [sys.executable, "-m", "exvideo_train", "--config", "first.yaml", "--dry-run", "--memory-gib", "80"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *settings], cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "Parameters: 2" in done.stdout
    # Of the processor, as other work on the machine counts in seconds by the clock.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20
