"""All of a run: what it needs is loaded and compared, the loop is entered, and the extension is left behind."""

import os
import platform
import shutil
from collections.abc import Collection
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import (
    BackendError,
    CompiledBlocks,
    Extension,
    compile_blocks,
    family_of,
    header_of,
)
from torch import nn

from exvideo_train.atomic import check_space, replacing, sweep, sync_folder
from exvideo_train.bases import write_new_base
from exvideo_train.card import begin_card, finish_card
from exvideo_train.checkpoints.checkpoint import newest_checkpoint
from exvideo_train.checkpoints.identity import check_continues, identity_of
from exvideo_train.checkpoints.writer import EXTENSION, CheckpointWriter, Export
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.data.fingerprint import fingerprint
from exvideo_train.display import Display
from exvideo_train.engine import Engine
from exvideo_train.errors import TrainingStoppedError, UserError
from exvideo_train.flops import flops_and_peak
from exvideo_train.loading import load
from exvideo_train.loop import Run, loop
from exvideo_train.loss_by_level import LossByLevel
from exvideo_train.memory import start_phase
from exvideo_train.mounting import checkpoint_activations, free_originals, mount, trained_parameters, undecayed_of
from exvideo_train.pace import Pace
from exvideo_train.prefetch import Batches
from exvideo_train.processes import Processes
from exvideo_train.quantized_base import quantize_base
from exvideo_train.samples import Samples, check_pictures
from exvideo_train.session import Session, in_session
from exvideo_train.state import TrainState
from exvideo_train.step import Task
from exvideo_train.stop import Requests
from exvideo_train.tracking import Tracker
from exvideo_train.validation import Evaluation, Validation, drop_records_after, evaluate_base

SHARED_SECONDS = 24 * 3600.0  # after which a half-written file in a cache that runs may share is nobody's any more
PATIENCE_SECONDS = 5.0  # for figures to reach MLflow, where a run ends early
# Their versions must be the same in all processes.
PACKAGES = ("torch", "deepspeed", "diffusers", "transformers", "safetensors", "exvideo-blocks", "exvideo-infer")


def train(config: TrainConfig, changes: Collection[str] = ()) -> Path:
    """Post-tunes an extension as the configuration says, resuming from the run's newest checkpoint if there is one.

    Args:
        config: the run.
        changes: keys that may differ from the checkpoint's, as they were changed on purpose: those that
            `load_config(path, changes)` was given.

    Returns:
        The path of the extension: the EMA of the trained weights.

    Raises:
        UserError: something about the base, the videos, the output folder or the checkpoint is not as it must be.
        TrainingDivergedError: a loss or a gradient is not finite; the checkpoint before it is whole.
        TrainingStoppedError: it was asked to stop, by a signal or a file, and has saved its state.
        OutputError: the output folder cannot be written to any more.
        OtherProcessError: another process of the run has failed.
    """
    check_pictures(config)
    return in_session(config, lambda session: _train(config, changes, session))


def _train(config: TrainConfig, changes: Collection[str], session: Session) -> Path:
    processes, display, requests = session.processes, session.display, session.requests
    loaded = load(config, session)
    config, network, task, data, samples = loaded.config, loaded.network, loaded.task, loaded.data, loaded.samples
    validation = _validation(config, network, task, data, processes, requests)
    base = fingerprint(network)
    evaluation = _evaluate_base(config, network, base, validation, display)
    _sample_base(config, network, base, samples, display)
    extension, initial = mount(network, config)
    extension.training = loaded.how_trained
    card = begin_card(extension, config)
    identity = identity_of(config, task.objective, base, data.content, initial)
    processes.check_same(
        {"configuration": _comparable(config), "base": identity["base"], "versions": _versions()}
        | {"clips": data.clips_by_name, "initial weights": {"init_from": initial}}
    )
    free_originals(extension, network, processes.device)
    parameters = trained_parameters(extension, network, config, _context_tokens(data))
    flops = flops_and_peak(config, network, task, data, processes, display.note)
    engine, export, compiled = start_engine(network, extension, parameters, config, processes, display)
    with closing(engine):
        state = _resume(config, changes, engine, identity, data, display)
        writer = _writer(config, engine, export, identity, data, state)
        tracker = _tracker(config, processes, state)
        if samples is not None and processes.is_main:
            samples.drop_after(state.step)
        display.start(state.step, config.optimizer.steps, len(data.training), engine.num_parameters)
        start_phase(processes.device)
        with closing(Batches(config, task.objective, data, processes, engine.micro_batches)) as batches:
            for sentence in batches.order.notes(config.optimizer.steps, config.extension.num_frames):
                display.note(sentence)
            run = Run(
                config,
                task,
                engine,
                data,
                batches,
                state,
                writer,
                validation,
                evaluation,
                tracker,
                display,
                requests,
                Pace(config.optimizer.batch_size, *flops, batches.order.counts),
                LossByLevel(task.objective, [(data.cache.read(c[0]).tokens, len(c)) for c in data.buckets.values()]),
                samples,
            )
            path = _follow(run, card)
    if compiled is not None:
        display.compiled(compiled)
    return path


def _tracker(config: TrainConfig, processes: Processes, state: TrainState) -> Tracker | None:
    if not processes.is_main:
        return None
    drop_records_after(config.output / "validation", state.step if state.step else -1)
    tracker = Tracker(config, state.step, state.validated)
    tracker.note_changes({key: (old, new) for key, (old, new) in state.changed_here().items()})
    return tracker


def _follow(run: Run, card: str) -> Path:
    """Enters the loop; whatever ends it, the figures get the run's status, and no thread waits for others."""
    try:
        with run.engine.attention():
            loop(run)
        path = _finish(run.config, run.engine.processes, run.state)
        if run.tracker is not None:
            run.tracker.artifact(path)
            run.tracker.artifact(finish_card(card, run.config, run.data, run.engine.processes.count, run.state.step))
    except BaseException as error:
        run.writer.give_up()
        if run.tracker is not None:
            status = "KILLED" if isinstance(error, TrainingStoppedError) else "FAILED"
            run.tracker.close(status, patience=PATIENCE_SECONDS)
        raise
    if run.tracker is not None:
        run.tracker.close()
    return path


def _context_tokens(data: Data) -> int:
    """Tokens that the network is conditioned on, of a clip."""
    return data.cache.read(data.training[0]).conditions.tokens.shape[1]


def start_engine(
    network: Any,
    extension: Extension,
    parameters: dict[str, nn.Parameter],
    config: TrainConfig,
    processes: Processes,
    display: Display,
) -> tuple[Engine, Export, CompiledBlocks | None]:
    """The engine on an extended network, as the configuration says; and what its extension's file has beside it."""
    try:
        extension.set_attention_backend(config.engine.attention_backend)
    except (ValueError, BackendError) as error:
        raise UserError(f"engine.attention_backend: {error}") from error
    checkpoint_activations(network, extension, config)
    if config.engine.base_precision != "same":
        sites = extension.originals.values()  # which share the base's weights
        modules = [module for owner in (network, *sites) for module in owner.modules()]
        display.note(str(quantize_base(modules, config.engine.base_precision)))
    compiled = compile_blocks(network) if config.engine.compile_blocks else None
    untrained = {
        name: parameter.detach().to("cpu", torch.float32, copy=True)
        for name, parameter in extension.named_parameters().items()
        if name not in parameters
    }
    export = Export(extension.named_parameters().keys() - untrained.keys(), untrained, header_of(extension).metadata())
    whole = config.optimizer.weight_decay_on == "all"
    undecayed = set() if whole else undecayed_of(parameters, extension)
    return Engine(network, parameters, config, processes, undecayed), export, compiled


def _resume(
    config: TrainConfig,
    changes: Collection[str],
    engine: Engine,
    identity: dict[str, Any],
    data: Data,
    display: Display,
) -> TrainState:
    folder = config.output / "checkpoints"
    if engine.processes.is_main:
        sweep(config.output)
        sweep(config.cache, older_than=SHARED_SECONDS)
    checkpoint = engine.processes.together(lambda: newest_checkpoint(folder, display.note))
    if checkpoint is None:
        return TrainState()
    changed = check_continues(checkpoint, identity, data.clips_by_name, changes)
    checkpoint.restore(engine)
    state: TrainState = checkpoint.state
    if changed:
        state.history.append({"step": state.step, "changes": changed})
    display.resumed(checkpoint.folder, changed)
    return state


def _writer(
    config: TrainConfig, engine: Engine, export: Export, identity: dict[str, Any], data: Data, state: TrainState
) -> CheckpointWriter:
    section = config.checkpoint
    writer = CheckpointWriter(
        config.output / "checkpoints",
        engine,
        export,
        identity,
        data.clips_by_name,
        keep=section.keep,
        keep_every=section.keep_every,
        asynchronous=section.asynchronous,
    )
    engine.processes.together(lambda: check_space(config.output, writer.bytes_needed()))
    if (writer.folder / f"step-{state.step:08d}" / EXTENSION).is_file():  # one of format 1, without, is written anew
        writer.last_step = state.step
    return writer


def _validation(
    config: TrainConfig, network: Any, task: Task, data: Data, processes: Processes, requests: Requests
) -> Validation | None:
    if config.validation is None:
        return None
    length = config.extension.base_frames or task.family.base_frames(network)
    rows = task.family.rows(length)
    return Validation(task, config.validation, config, data.cache, data.held_out, processes, requests, rows)


def _evaluate_base(
    config: TrainConfig, network: Any, fingerprint: str, validation: Validation | None, display: Display
) -> Evaluation | None:
    """The evaluation of the base run directly at the extended length, where it can be: what is to be beaten."""
    if validation is None:
        return None
    if not family_of(network).can_run(network, config.extension.num_frames):
        display.base_cannot_run(config.extension.num_frames)
        return None
    return evaluate_base(network, fingerprint, validation, config.output / "validation")


def _sample_base(
    config: TrainConfig, network: Any, fingerprint: str, samples: Samples | None, display: Display
) -> None:
    """Samples the base run directly at the extended length, where it can be, and keeps the clips."""
    if samples is None or config.is_from_scratch:  # of a base that was drawn at random there is nothing to see
        return
    if not family_of(network).can_run(network, config.extension.num_frames):
        if config.validation is None:  # else it is told already
            display.base_cannot_run(config.extension.num_frames)
        return
    if not samples.make_base(network, fingerprint):
        raise TrainingStoppedError("Stopped before the first step: the same command goes on.")


def _finish(config: TrainConfig, processes: Processes, state: TrainState) -> Path:
    """Puts the last checkpoint's extension where a person looks for it."""
    path = config.output / EXTENSION
    if processes.is_main:
        with replacing(path) as temporary:
            shutil.copyfile(config.output / "checkpoints" / f"step-{state.step:08d}" / path.name, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        if config.is_from_scratch:
            write_new_base(config, config.output / "checkpoints" / f"step-{state.step:08d}", path)
        sync_folder(config.output)
    return path


def _comparable(config: TrainConfig) -> dict[str, Any]:
    return {key: value for key, value in config.model_dump(mode="json").items() if key != "tracking"}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
