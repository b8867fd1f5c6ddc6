"""The run: clips in, extension out. Killed at any moment and started again, it ends in the same bits.

exvideo-train --config configs/quickstart.yaml                                   one process
deepspeed --num_gpus=4 --module exvideo_train --config x.yaml                    several
torchrun --nproc-per-node 2 -m exvideo_train --config x.yaml                     several, also on CPUs
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from exvideo_train.checkpoints.writer import CheckpointWriter
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.display import Display
from exvideo_train.ema import ema_decay
from exvideo_train.engine import Engine
from exvideo_train.errors import OutputError, TrainingDivergedError, TrainingStoppedError
from exvideo_train.guard import History, Sample, Verdict, Word, agree, refuse_step
from exvideo_train.loss_by_level import EVERY, LossByLevel
from exvideo_train.memory import peak_gib, start_phase
from exvideo_train.order import ClipOrder
from exvideo_train.pace import Pace
from exvideo_train.prefetch import Batches
from exvideo_train.samples import Samples
from exvideo_train.state import TrainState
from exvideo_train.step import Batch, Task
from exvideo_train.stop import Requests
from exvideo_train.tracking import Tracker
from exvideo_train.validation import Evaluation, Validation, write_record

Made = tuple[list[int], Batch, torch.Tensor]  # samples of a micro-batch, the batch, and its losses


@dataclass(frozen=True)
class Step:
    """A step that was made: its figures, and what the processes have said before it."""

    figures: dict[str, float]
    verdict: Verdict


@dataclass
class Run:
    """All that the loop works on. `tracker` is None but in the main process; `state` is all that changes.

    `base` is the evaluation of the base itself, None where there is none.
    """

    config: TrainConfig
    task: Task
    engine: Engine
    data: Data
    batches: Batches
    state: TrainState
    writer: CheckpointWriter
    validation: Validation | None
    base: Evaluation | None
    tracker: Tracker | None
    display: Display
    requests: Requests
    pace: Pace
    levels: LossByLevel | None = None
    samples: Samples | None = None
    history: History = field(default_factory=History)


def loop(run: Run) -> None:
    """Trains to the last step, or until it is asked to stop.

    Raises:
        TrainingDivergedError: a loss or a gradient is not finite.
        TrainingStoppedError: it was asked to stop, and has saved its state.
        OutputError: a checkpoint cannot be written.
    """
    config, state = run.config, run.state
    verdict: Verdict | None = None
    while True:
        stop = not _validate_if_due(run) or (verdict is not None and verdict.stop)
        _save_if_due(run, stop, verdict)
        sampled = _sample_if_due(run, stop)
        if state.step >= config.optimizer.steps and sampled:
            break
        if stop or not sampled:
            _save_if_due(run, True, None)
            _stop(run)
        try:
            step = train_step(
                config,
                run.task,
                run.engine,
                run.batches,
                state,
                lambda: _word_of(run),
                run.history,
                run.levels,
            )
        except TrainingDivergedError as error:
            run.writer.finish()
            error.saved = run.writer.last_step
            raise
        except OutputError:
            run.writer.finish()  # which says why, and which process
            raise
        verdict = step.verdict
        order = run.batches.order
        bucket, _ = order.turn_of(state.step - 1)
        figures = step.figures | run.pace.figures(step.figures, bucket) | _losses_by_level(run, verdict)
        if len(order.buckets) > 1:
            figures["bucket"] = bucket
        if run.tracker is not None:
            run.tracker.record(state.step, figures)
            run.display.step(state.step, figures, run.pace.seconds_left(config.optimizer.steps - state.step))
    run.writer.finish()
    run.display.stop()


def _losses_by_level(run: Run, verdict: Verdict) -> dict[str, float]:
    """The mean losses by noise level of the last steps, where they are due."""
    state = run.state
    if run.levels is None:
        return {}
    state.add_losses(list(verdict.by_level))
    if state.step % EVERY and state.step < run.config.optimizer.steps:
        return {}
    figures, state.losses = run.levels.figures(state.losses), []
    return figures


def _validate_if_due(run: Run) -> bool:
    """Evaluates the EMA on held-out clips at the start, every so many steps and at the end; False if it was stopped."""
    config, state = run.config, run.state
    if run.validation is None or config.validation is None or state.validated == state.step:
        return True
    last = state.step == config.optimizer.steps
    if state.step % config.validation.every and not last:
        return True
    device = run.engine.processes.device
    start_phase(device)
    with run.engine.ema_weights():
        evaluation = run.validation(run.engine, run.engine.dtype)
    if evaluation is None:
        return False
    state.validated = state.step
    peak = max(run.engine.processes.gather(peak_gib(device)))
    start_phase(device)
    if run.tracker is not None:
        _record(run, run.tracker, evaluation, peak)
    return True


def _record(run: Run, tracker: Tracker, evaluation: Evaluation, peak: float) -> None:
    rows = run.validation.base_rows if run.validation is not None else 0
    figures = {f"validation/{name}": value for name, value in evaluation.figures(rows).items()}
    figures["validation/peak_gib"] = peak
    if run.base is not None:
        figures |= {f"validation_base/{name}": value for name, value in run.base.figures(rows).items()}
    tracker.record(run.state.step, figures)
    run.display.validation(run.state.step, evaluation, run.base)
    for path in write_record(run.config.output / "validation", run.state.step, evaluation, run.base, rows):
        tracker.artifact(path)


def _sample_if_due(run: Run, stop: bool) -> bool:
    """Samples clips with the EMA every so many steps and at the end; False if a stop leaves them to be made."""
    step, samples, processes = run.state.step, run.samples, run.engine.processes
    if samples is None or not samples.are_due(step, run.config.optimizer.steps):
        return True
    if stop:
        return False
    started, device = time.perf_counter(), processes.device
    start_phase(device)
    with run.engine.ema_weights():
        whole = samples.make(run.engine, run.engine.dtype, samples.folder_of(step))
    if not whole:
        return False
    figures, files = processes.together(lambda: samples.show(step))
    peak = max(processes.gather(peak_gib(device)))
    start_phase(device)
    if run.tracker is not None:
        figures |= {"samples/seconds": time.perf_counter() - started, "samples/peak_gib": peak}
        run.tracker.record(step, figures)
        for path in files:
            run.tracker.artifact(path)
        run.display.note(f"step {step}  samples in {samples.folder_of(step)}")
    return True


def _save_if_due(run: Run, stop: bool, verdict: Verdict | None) -> None:
    section, state = run.config.checkpoint, run.state
    asked = verdict is not None and verdict.save
    due = stop or asked or state.step % section.every == 0 or state.step == run.config.optimizer.steps
    if due and state.step > 0 and run.writer.last_step != state.step:
        run.writer.save(state)
    if asked and run.engine.processes.is_main:
        run.requests.fulfilled()


def _stop(run: Run) -> None:
    run.writer.finish()
    run.display.stop()
    saved = f"saved at step {run.state.step}" if run.state.step else "before the first step"
    raise TrainingStoppedError(f"Stopped ({run.requests.reason}), {saved}: the same command goes on from there.")


def _word_of(run: Run) -> dict[str, Any]:
    minutes = run.config.checkpoint.minutes
    is_main = run.engine.processes.is_main  # by whose clock all go
    late = minutes is not None and is_main and time.monotonic() - run.writer.last_time > 60 * minutes
    return {"stop": run.requests.stop, "save": late or run.requests.save, "writer_failed": run.writer.failed}


def nothing_asked() -> dict[str, Any]:
    """The word of a process that nobody has asked anything."""
    return {"stop": False, "save": False, "writer_failed": False}


def train_step(
    config: TrainConfig,
    task: Task,
    engine: Engine,
    batches: Batches,
    state: TrainState,
    asked: Callable[[], dict[str, Any]] = nothing_asked,
    history: History | None = None,
    levels: LossByLevel | None = None,
) -> Step:
    """One update of the weights and of their EMA; advances `state`. Every process must call.

    In fp16, a step whose gradient overflows is tried again with half the factor on the loss, until that is 1.

    Args:
        asked: `stop`, `save` and `writer_failed` of `guard.Word`, as this process has them now.
        history: of the steps before, for the report of a divergence.
        levels: that the losses of samples are told by.

    Raises:
        TrainingDivergedError: a loss or a gradient is not finite, in any process; nothing was changed in any of them.
        OutputError: a process could not write its part of a checkpoint.
    """
    started = time.perf_counter()
    learning_rate = config.optimizer.learning_rate_at(state.step)
    engine.set_learning_rate(learning_rate)
    engine.loss_scale = state.loss_scale.factor if engine.dtype == torch.float16 else 1.0
    made, waited = _gradients(task, engine, batches, state.step)
    total = torch.cat([losses for _, _, losses in made]).double().sum().item()
    peak = peak_gib(engine.processes.device)
    by_level = () if levels is None else levels.sums(*_levels_and_losses(made))
    word = Word(total, engine.gradient_square(), peak_gib=peak, by_level=by_level, **asked())
    verdict = agree(engine.processes, word)
    loss = verdict.loss / config.optimizer.batch_size
    if verdict.writer_failed:
        raise OutputError(f"A checkpoint could not be written, so the run ends at step {state.step}.")
    if engine.dtype == torch.float16 and verdict.overflows and state.loss_scale.can_fall:
        engine.discard()
        state.loss_scale.fall()
        return train_step(config, task, engine, batches, state, asked, history, levels)
    if not verdict.is_finite or not engine.update(verdict.grad_norm):
        engine.discard()
        _refuse(config, engine, batches.order, state, verdict, made, history or History())
    state.step += 1
    if engine.dtype == torch.float16:
        state.loss_scale.hold()
    engine.update_ema(ema_decay(state.step, config.optimizer.ema_decay))
    if history is not None:
        history.add(state.step, verdict, loss)
    figures = {
        "loss": loss,
        "grad_norm": verdict.grad_norm,
        "learning_rate": learning_rate,
        "seconds": time.perf_counter() - started,
        "data_wait_seconds": waited,
        "peak_gib": verdict.peak_gib,
        "peak_rank": verdict.peak_rank,
    }
    if engine.dtype == torch.float16:
        figures |= {"loss_scale": engine.loss_scale, "overflows": state.loss_scale.overflows}
    return Step(figures, verdict)


def _gradients(task: Task, engine: Engine, batches: Batches, step: int) -> tuple[list[Made], float]:
    """Runs a step's micro-batches forward and backward; what was made, and the seconds that data was waited for."""
    made, waited = [], 0.0
    for turn in range(engine.micro_batches):
        clock = time.perf_counter()
        batch = batches.take(step, turn)
        waited += time.perf_counter() - clock
        samples = batches.samples(turn)
        with engine.dropout.on(step, samples[0]):
            losses = task.loss(engine, batch.to(engine.processes.device), engine.dtype)
            engine.backward(losses.mean(), turn)
        made.append((samples, batch, losses.detach()))
    return made, waited


def _levels_and_losses(made: list[Made]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch.level for _, batch, _ in made]), torch.cat([losses for _, _, losses in made])


def _refuse(
    config: TrainConfig,
    engine: Engine,
    order: ClipOrder,
    state: TrainState,
    verdict: Verdict,
    made: list[Made],
    history: History,
) -> None:
    bad = set(engine.gradients.bad_turns())
    samples = []
    for turn, (indices, batch, losses) in enumerate(made):
        for place, index in enumerate(indices):
            clip = order.clip(state.step, index)
            level, loss = batch.level[place].item(), losses[place].item()
            samples.append(Sample(index, str(clip.path), clip.start, clip.caption, level, loss, turn not in bad))
    about = {
        "step": state.step + 1,
        "loss": verdict.loss / config.optimizer.batch_size,
        "grad_norm": verdict.grad_norm,
        "learning_rate": config.optimizer.learning_rate_at(state.step),
        "precision": config.engine.precision,
        "seed": config.seed,
        "steps_before": history.figures(),
    }
    refuse_step(engine.processes, samples, about, ways_on(config), config.output)


def ways_on(config: TrainConfig) -> dict[str, str]:
    """Changes of settings with which a run that diverged may go on, and what each does."""
    ways = {
        f"seed={config.seed + 1}": "another order of clips, and other noise",
        f"optimizer.learning_rate={config.optimizer.learning_rate / 2:g}": "half the learning rate",
        f"optimizer.max_grad_norm={config.optimizer.max_grad_norm / 2:g}": "gradients clipped at half the norm",
    }
    if config.engine.precision != "fp32":
        ways["engine.precision=fp32"] = f"no rounding to {config.engine.precision}"
    return ways
