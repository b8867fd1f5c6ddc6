"""`exvideo-train --config x.yaml --dry-run`: all that a run will take, and exit status 3 where it cannot have it."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from exvideo_train.checkpoints.writer import EXPORTS
from exvideo_train.config import TrainConfig
from exvideo_train.data.cache_bytes import cache_bytes
from exvideo_train.data.footage import find_footage
from exvideo_train.data.left_out import read_left_out
from exvideo_train.data.report import report_footage
from exvideo_train.data.sharing import Alone
from exvideo_train.data.sources import check_folders
from exvideo_train.engine import STATE_KINDS
from exvideo_train.errors import UserError
from exvideo_train.plan.cheaper import cheapest
from exvideo_train.plan.memory import capacity, memory_of
from exvideo_train.plan.model import PlannedModel
from exvideo_train.plan.plan import Plan
from exvideo_train.plan.probe import probe
from exvideo_train.plan.report import as_text
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
    print(json.dumps(plan.written(), indent=2) if as_json else as_text(plan))
    check_backend(config.distributed.backend)
    return 0 if plan.fits else DOES_NOT_FIT


def make_plan(config: TrainConfig, question: Question) -> Plan:
    """Looks at the data, the model and the machine."""
    check_folders(config)
    processes = question.processes or int(os.environ.get("WORLD_SIZE", "1"))
    if config.optimizer.batch_size % (config.optimizer.micro_batch_size * processes):
        raise UserError(
            f"optimizer.batch_size={config.optimizer.batch_size} cannot be spread over {processes} processes in "
            f"micro-batches of {config.optimizer.micro_batch_size}: make it a multiple of their product."
        )
    on_gpu = question.memory is not None or config.distributed.backend == "nccl" or torch.cuda.is_available()
    model = PlannedModel(config, "meta" if on_gpu else "cpu", draw_weights=question.probe)
    footage = find_footage(model.config, Alone(), read_left_out(config.output))
    report_footage(footage, config.output)
    clips = footage[0].clips
    optimizer = model.config.optimizer.for_clips(len(clips))
    config = model.config.model_copy(update={"optimizer": optimizer})
    shapes = model.shapes(config)
    memory = memory_of(model, config, processes)
    device, room = capacity()
    if question.memory is not None:
        device, room = "a device as told", question.memory
    measured = probe(model, config) if question.probe else None
    done, seconds = _done_so_far(config.output)
    assert config.data.size is not None
    kept = config.checkpoint.keep + 1  # and the one that is being written
    if config.checkpoint.keep_every is not None:
        kept += optimizer.steps // config.checkpoint.keep_every
    plan = Plan(
        config,
        processes,
        device,
        room,
        memory,
        shapes.num_trained,
        sum(shapes.frozen),
        footage,
        4 * (len(STATE_KINDS) + len(EXPORTS)) * shapes.num_trained,
        min(kept, 1 + optimizer.steps // config.checkpoint.every),
        sum(cache_bytes(model.base, config.data.size, part.clips) for part in footage),
        {str(place): _free(place) for place in (config.output, config.cache)},
        done,
        measured,
        seconds if measured is None else measured.seconds_per_step,
    )
    if not plan.memory_fits:
        plan.changes = cheapest(
            config, processes, lambda other: memory_of(model, other, processes).peak <= plan.capacity
        )
    return plan


def _done_so_far(output: Path) -> tuple[int, float | None]:
    """Steps of a run that is there already, and the median seconds of one."""
    records = MetricsFile(output / "metrics.jsonl").read(0, 10**9)
    steps = [record for record in records if record is not None and "seconds" in record.figures]
    if not steps:
        return 0, None
    return steps[-1].step, median(record.figures["seconds"] for record in steps)


def _free(folder: Path) -> int:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
