"""The run: clips in, extension out. Killed at any moment and started again, it ends in the same bits.

exvideo-train --config configs/quickstart.yaml                                   one process
deepspeed --num_gpus=4 --module exvideo_train --config x.yaml                    several
torchrun --nproc-per-node 2 -m exvideo_train --config x.yaml                     several, also on CPUs
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import (
    BackendError,
    CompiledBlocks,
    Extension,
    check_extends,
    compile_blocks,
    extend,
    family_of,
    save_extension,
)
from exvideo_infer import load_base

from exvideo_train.checkpoint import find_checkpoint, identity_of, read_state_json, read_tensors, save_checkpoint
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data, encode_data, find_all_clips
from exvideo_train.display import Display
from exvideo_train.ema import ema_decay
from exvideo_train.engine import STATE_KINDS, Engine, Processes
from exvideo_train.errors import TrainingDivergedError, UserError
from exvideo_train.latent_cache import fingerprint
from exvideo_train.state import TrainState
from exvideo_train.step import Task, training_batch
from exvideo_train.tracking import Tracker
from exvideo_train.validation import Validation


@dataclass
class Run:
    """All that the loop works on. `tracker` is None but in the main process; `state` is all that changes."""

    config: TrainConfig
    task: Task
    engine: Engine
    data: Data
    state: TrainState
    identity: dict[str, Any]
    validation: Validation | None
    base_figures: dict[str, float]
    tracker: Tracker | None
    display: Display


def train(config: TrainConfig) -> Path:
    """Post-tunes an extension as the configuration says, resuming from the run's newest checkpoint if there is one.

    Returns:
        The path of the extension: the EMA of the trained weights.

    Raises:
        UserError: something about the base, the videos, the output folder or the checkpoint is not as it must be.
        TrainingDivergedError: the loss is not finite.
    """
    find_all_clips(config)  # a wrong folder is told before anything slow is loaded
    processes = Processes()
    display = Display(processes.is_main)
    network, task, data = _load(config, processes, display)
    config.output.mkdir(parents=True, exist_ok=True)
    validation = _validation(config, task, data, processes)
    base_figures = _evaluate_base(config, network, validation, display)
    identity = identity_of(config, task.objective, fingerprint(network), data.content)
    extension = extend(network, config.extension.mounted)
    engine, compiled = _engine(network, extension, config, data, processes)
    state = _resume(config, engine, identity, display)
    tracker = Tracker(config, state.step) if processes.is_main else None
    display.start(state.step, config.optimizer.steps, len(data.training), engine.num_parameters)
    with engine.attention():
        _loop(Run(config, task, engine, data, state, identity, validation, base_figures, tracker, display))
    if compiled is not None:
        display.compiled(compiled)
    return _finish(config, engine, extension, tracker)


def _loop(run: Run) -> None:
    config, state = run.config, run.state
    if state.step == 0:
        _validate(run)
    while state.step < config.optimizer.steps:
        figures = train_step(config, run.task, run.engine, run.data, state)
        if run.tracker is not None:
            run.tracker.record(state.step, figures)
            run.display.step(state.step, figures)
        last = state.step == config.optimizer.steps
        if config.validation is not None and (last or state.step % config.validation.every == 0):
            _validate(run)
        if last or state.step % config.checkpoint.every == 0:
            save_checkpoint(config.output / "checkpoints", config.checkpoint.keep, run.engine, state, run.identity)
    run.display.stop()


def _validate(run: Run) -> None:
    if run.validation is None:
        return
    with run.engine.ema_weights():
        figures = run.validation(run.engine, run.engine.dtype)
    figures = {f"validation/{name}": value for name, value in figures.items()}
    if run.tracker is not None:
        run.tracker.record(run.state.step, figures | run.base_figures)
        run.display.validation(run.state.step, figures, run.base_figures)


def train_step(config: TrainConfig, task: Task, engine: Engine, data: Data, state: TrainState) -> dict[str, float]:
    """One update of the weights and of their EMA; advances `state`. Every process must call.

    Returns:
        Figures of the step: loss, gradient norm before clipping, learning rate, seconds, peak memory in GiB.

    Raises:
        TrainingDivergedError: the loss is not finite; the weights are as they were.
    """
    started, waited = time.perf_counter(), 0.0
    learning_rate = config.optimizer.learning_rate_at(state.step)
    engine.set_learning_rate(learning_rate)
    own = engine.processes.share(list(range(config.optimizer.batch_size)))
    total = torch.zeros(())
    for turn in range(engine.micro_batches):
        asked = time.perf_counter()
        samples = own[turn * config.optimizer.micro_batch_size :][: config.optimizer.micro_batch_size]
        batch = training_batch(config, task.objective, data.cache, data.training, state.step, samples)
        batch = batch.to(engine.processes.device)
        waited += time.perf_counter() - asked
        losses = task.loss(engine, batch, engine.dtype)
        total = total + losses.detach().sum().cpu()
        if turn == engine.micro_batches - 1:
            mean = engine.processes.sum(total).item() / config.optimizer.batch_size
            _check_finite(mean, state.step + 1, learning_rate)  # before it reaches the weights
        engine.backward(losses.mean())
        engine.step()
    state.step += 1
    engine.update_ema(ema_decay(state.step, config.optimizer.ema_decay))
    return {
        "loss": mean,
        "grad_norm": engine.gradient_norm(),
        "learning_rate": learning_rate,
        "seconds": time.perf_counter() - started,
        "data_wait_seconds": waited,
        "peak_gib": _peak_gib(engine.processes.device),
    }


def _check_finite(loss: float, step: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"The loss is {loss} at step {step}, with a learning rate of {learning_rate}: lower it, or set "
            "engine.precision to fp32, and run again from the last checkpoint."
        )


def _load(config: TrainConfig, processes: Processes, display: Display) -> tuple[Any, Task, Data]:
    """The base's network on this process's device, its task, and the clips, encoded; the encoders are let go."""
    base = load_base(config.base)
    try:
        check_extends(base.network, config.extension.mounted)
        family = family_of(base.network)
        task = Task(family, family.objective(base.scheduler, **config.objective_settings))
    except (TypeError, ValueError) as error:
        raise UserError(f"{config.base} cannot be extended as asked: {error}") from error
    for network in base.encoders:
        network.to(processes.device)
    data = encode_data(config, base, processes, display.encoding)
    return base.network.to(processes.device), task, data


def _engine(
    network: Any, extension: Extension, config: TrainConfig, data: Data, processes: Processes
) -> tuple[Engine, CompiledBlocks | None]:
    tokens = data.cache.read(data.training[0]).conditions.tokens.shape[1]
    parameters = extension.trainable_parameters(context_tokens=tokens)
    try:
        extension.set_attention_backend(config.engine.attention_backend)
    except (ValueError, BackendError) as error:
        raise UserError(f"engine.attention_backend: {error}") from error
    if config.engine.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    compiled = compile_blocks(network) if config.engine.compile_blocks else None
    return Engine(network, parameters, config, processes), compiled


def _resume(config: TrainConfig, engine: Engine, identity: dict[str, Any], display: Display) -> TrainState:
    checkpoint = find_checkpoint(config.output / "checkpoints")
    if checkpoint is None:
        return TrainState()
    state, engine.optimizer_step = read_state_json(checkpoint, identity)
    for kind in STATE_KINDS:
        engine.write_state(kind, read_tensors(checkpoint, kind, engine.shapes))
    display.resumed(checkpoint)
    return state


def _validation(config: TrainConfig, task: Task, data: Data, processes: Processes) -> Validation | None:
    if config.validation is None:
        return None
    return Validation(task, config.validation, config, data.cache, data.held_out, processes)


def _evaluate_base(
    config: TrainConfig, network: Any, validation: Validation | None, display: Display
) -> dict[str, float]:
    """Held-out figures of the base run directly at the extended length, where it can be: what is to be beaten."""
    if validation is None:
        return {}
    if not family_of(network).can_run(network, config.extension.num_frames):
        display.base_cannot_run(config.extension.num_frames)
        return {}
    figures = validation(network.eval(), next(network.parameters()).dtype)
    return {f"validation_base/{name}": value for name, value in figures.items()}


def _finish(config: TrainConfig, engine: Engine, extension: Extension, tracker: Tracker | None) -> Path:
    path = config.output / "extension.safetensors"
    ema = engine.read_state("ema")
    with engine.whole(extension.named_parameters().values()):
        if tracker is not None:
            save_extension(extension, path, tensors=ema, dtype=torch.float32)
            tracker.close()
    engine.processes.wait()
    return path


def _peak_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
