"""`exvideo-train --config x.yaml --dry-run`: all that a run will take, and exit status 3 where it cannot have it."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from exvideo_train.config import TrainConfig
from exvideo_train.data.buckets import by_bucket
from exvideo_train.data.cache_bytes import cache_bytes
from exvideo_train.data.footage import Footage, find_footage
from exvideo_train.data.left_out import read_left_out
from exvideo_train.data.report import report_footage
from exvideo_train.data.sharing import Alone
from exvideo_train.data.sources import check_folders
from exvideo_train.errors import UserError
from exvideo_train.plan.cheaper import cheapest
from exvideo_train.plan.memory import capacity, memory_of
from exvideo_train.plan.model import PlannedModel
from exvideo_train.plan.plan import Plan
from exvideo_train.plan.probe import probe
from exvideo_train.plan.report import as_text
from exvideo_train.plan.state import checkpoint_bytes
from exvideo_train.processes import check_backend
from exvideo_train.tracking.metrics_file import MetricsFile

DOES_NOT_FIT = 3  # exit status


@dataclass(frozen=True)
class Question:
    """The machine that a run is planned for, as the command line tells it.

    Args:
        processes: of the run; None for those that a launcher has started, or one.
        memory: bytes of each process's device; None for what is here.
        probe: True to make three steps, and measure them.
    """

    processes: int | None = None
    memory: int | None = None
    probe: bool = False


def dry_run(config: TrainConfig, question: Question, as_json: bool) -> int:
    """Prints the plan of a run; trains nothing, and encodes nothing but what a probe needs.

    Returns:
        The exit status: 0, or `DOES_NOT_FIT`.

    Raises:
        UserError, BaseModelError: as `train`; where it is this machine alone that cannot run it, after the plan.
    """
    plan = make_plan(config, question)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(plan.written(), indent=2) if as_json else as_text(plan))
        if question.probe and plan.probe is None:
            print("No step was probed, as the memory is too little.", file=sys.stderr)
    check_backend(config.distributed.backend)
    return 0 if plan.fits else DOES_NOT_FIT


def make_plan(config: TrainConfig, question: Question) -> Plan:
    """Looks at the data, the model and the machine."""
    check_folders(config)
    started = int(os.environ.get("WORLD_SIZE", "1"))
    processes = question.processes or started
    _check_processes(config, question, started)
    on_gpu = question.memory is not None or config.distributed.backend == "nccl" or torch.cuda.is_available()
    model = PlannedModel(config, "meta" if on_gpu else "cpu", draw_weights=question.probe)
    footage = find_footage(model.config, Alone(), read_left_out(config.output))
    report_footage(footage, config.output)
    model.bucket = next(iter(by_bucket(footage[0].clips)))
    config = model.config.model_copy(update={"optimizer": config.optimizer.for_clips(len(footage[0].clips))})
    shapes = model.shapes(config)
    device, room = capacity()
    if question.memory is not None:
        device, room = "a device as told", question.memory
    steps_done, seconds = _done_so_far(config.output)
    plan = Plan(
        config,
        processes,
        device,
        room,
        memory_of(model, config, processes),
        model.bucket,
        shapes.num_trained,
        sum(shapes.frozen),
        footage,
        checkpoint_bytes(shapes, config),
        _checkpoints(config),
        _cache_bytes(model, config, footage),
        {str(place): shutil.disk_usage(_existing(place)).free for place in (config.output, config.cache)},
        _existing(config.output).stat().st_dev == _existing(config.cache).stat().st_dev,
        steps_done,
        seconds,
    )
    if not plan.memory_fits:
        plan.changes = cheapest(
            config, processes, lambda other: memory_of(model, other, processes).peak <= plan.capacity
        )
    elif question.probe:  # last: it leaves the model extended, and on its device
        plan.probe = probe(model, config)
        plan.seconds_per_step = plan.probe.seconds_per_step
    return plan


def _check_processes(config: TrainConfig, question: Question, started: int) -> None:
    processes, optimizer = question.processes or started, config.optimizer
    if question.probe and processes != started:
        raise UserError(
            f"--probe measures the processes that are started, {started} here, and --processes is {processes}: leave "
            "out one of the two."
        )
    if optimizer.batch_size % (optimizer.micro_batch_size * processes):
        raise UserError(
            f"optimizer.batch_size={optimizer.batch_size} cannot be spread over {processes} processes in "
            f"micro-batches of {optimizer.micro_batch_size}: make it a multiple of their product."
        )


def _checkpoints(config: TrainConfig) -> int:
    """The most that there are at once, with the one that is being written."""
    section, steps = config.checkpoint, config.optimizer.steps
    kept = section.keep + 1 + (0 if section.keep_every is None else steps // section.keep_every)
    return min(kept, 1 + steps // section.every)


def _cache_bytes(model: PlannedModel, config: TrainConfig, footage: list[Footage]) -> int:
    clips = [clip for part in footage for clip in part.clips]
    return cache_bytes(model.base, clips, config.noise_augmentation.variants)


def _done_so_far(output: Path) -> tuple[int, float | None]:
    """Steps of a run that is there already, and the median seconds of one."""
    records = MetricsFile(output / "metrics.jsonl").read(0, 10**9)
    steps = [record for record in records if record is not None and "seconds" in record.figures]
    if not steps:
        return 0, None
    return steps[-1].step, median(record.figures["seconds"] for record in steps)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
