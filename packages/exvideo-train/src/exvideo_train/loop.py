"""The run: clips in, extension out. Killed at any moment and started again, it ends in the same bits.

exvideo-train --config configs/quickstart.yaml                                   one process
deepspeed --num_gpus=4 --module exvideo_train --config x.yaml                    several
torchrun --nproc-per-node 2 -m exvideo_train --config x.yaml                     several, also on CPUs
"""

import math
import time
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import Extension, ExtensionConfig, check_extends, extend
from exvideo_infer.base_model import load_base

from exvideo_train.checkpoint import find_checkpoint, identity_of, read_state_json, read_tensors, save_checkpoint
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data, encode_data, find_all_clips
from exvideo_train.display import Display
from exvideo_train.ema import ema_decay
from exvideo_train.engine import STATE_KINDS, Engine, Processes
from exvideo_train.errors import TrainingDivergedError, UserError
from exvideo_train.latent_cache import fingerprint
from exvideo_train.state import TrainState
from exvideo_train.step import training_batch, training_loss
from exvideo_train.tracking import Tracker
from exvideo_train.validation import Validation


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
    base = load_base(config.base)
    what = ExtensionConfig(config.extension.num_frames, config.extension.level)
    try:
        check_extends(base.unet, what)
    except (TypeError, ValueError) as error:
        raise UserError(f"{config.base} cannot be extended as asked: {error}") from error
    for network in (base.unet, base.vae, base.image_encoder):
        network.to(processes.device)
    data = encode_data(config, base, processes, display.encoding)
    validation = _validation(config, data, processes)
    config.output.mkdir(parents=True, exist_ok=True)
    base_figures = _evaluate_base(base.unet, validation)

    identity = identity_of(config, fingerprint(base.unet), data.content)
    extension = extend(base.unet, what)
    tokens = data.cache.read(data.training[0]).embedding.shape[0]
    parameters = extension.trainable_parameters(context_tokens=tokens)
    if config.engine.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
    engine = Engine(base.unet, parameters, config, processes)
    state = _resume(config, engine, identity, display)
    tracker = Tracker(config, state.step) if processes.is_main else None
    display.start(
        state.step, config.optimizer.steps, len(data.training), sum(shape.numel() for shape in engine.shapes.values())
    )

    def validate() -> None:
        if validation is None:
            return
        with engine.ema_weights():
            figures = validation(engine, engine.dtype)
        figures = {f"validation/{name}": value for name, value in figures.items()}
        if tracker is not None:
            tracker.record(state.step, figures | base_figures)
            display.validation(state.step, figures, base_figures)

    if state.step == 0:
        validate()
    while state.step < config.optimizer.steps:
        figures = _one_step(config, engine, data, state)
        if tracker is not None:
            tracker.record(state.step, figures)
            display.step(state.step, figures)
        last = state.step == config.optimizer.steps
        if config.validation is not None and (last or state.step % config.validation.every == 0):
            validate()
        if last or state.step % config.checkpoint.every == 0:
            save_checkpoint(config.output / "checkpoints", config.checkpoint.keep, engine, state, identity)
    display.stop()
    return _finish(config, engine, extension, tracker)


def _one_step(config: TrainConfig, engine: Engine, data: Data, state: TrainState) -> dict[str, float]:
    started, waited = time.perf_counter(), 0.0
    learning_rate = config.optimizer.learning_rate * min(1.0, (state.step + 1) / (config.optimizer.warmup_steps + 1))
    engine.set_learning_rate(learning_rate)
    own = engine.processes.share(list(range(config.optimizer.batch_size)))
    total = torch.zeros(())
    for turn in range(engine.micro_batches):
        asked = time.perf_counter()
        samples = own[turn * config.optimizer.micro_batch_size :][: config.optimizer.micro_batch_size]
        batch = training_batch(config, data.cache, data.training, state.step, samples).to(engine.processes.device)
        waited += time.perf_counter() - asked
        losses = training_loss(engine, batch, engine.dtype)
        total = total + losses.detach().sum().cpu()
        if turn == engine.micro_batches - 1:
            mean = engine.processes.sum(total).item() / config.optimizer.batch_size
            if not math.isfinite(mean):  # before it reaches the weights
                raise TrainingDivergedError(
                    f"The loss is {mean} at step {state.step + 1}; lower optimizer.learning_rate="
                    f"{config.optimizer.learning_rate}, or set engine.precision=fp32, and run it again "
                    "from the last checkpoint."
                )
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


def _resume(config: TrainConfig, engine: Engine, identity: dict[str, Any], display: Display) -> TrainState:
    checkpoint = find_checkpoint(config.output / "checkpoints")
    if checkpoint is None:
        return TrainState()
    state, engine.optimizer_step = read_state_json(checkpoint, identity)
    for kind in STATE_KINDS:
        engine.write_state(kind, read_tensors(checkpoint, kind, engine.shapes))
    display.resumed(checkpoint)
    return state


def _validation(config: TrainConfig, data: Data, processes: Processes) -> Validation | None:
    if config.validation is None:
        return None
    return Validation(config.validation, config, data.cache, data.held_out, processes)


def _evaluate_base(unet: Any, validation: Validation | None) -> dict[str, float]:
    """Held-out figures of the base run directly at the extended length: what the extension has to beat."""
    if validation is None:
        return {}
    figures = validation(unet.eval(), unet.dtype)
    return {f"validation_base/{name}": value for name, value in figures.items()}


def _finish(config: TrainConfig, engine: Engine, extension: Extension, tracker: Tracker | None) -> Path:
    path = config.output / "extension.safetensors"
    ema = engine.read_state("ema")
    with engine.whole(extension.named_parameters().values()):
        if tracker is not None:
            extension.save(path, tensors=ema, dtype=torch.float32)
            tracker.close()
    engine.processes.wait()
    return path


def _peak_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
