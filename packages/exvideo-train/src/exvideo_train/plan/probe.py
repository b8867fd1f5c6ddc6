"""Three real steps on clips of noise: their time and memory, and what the engine then holds, byte by byte."""

import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from exvideo_infer import LiveBytes
from torch import Tensor, nn

from exvideo_train.adamw import MOMENTS, read_state
from exvideo_train.config import TrainConfig
from exvideo_train.engine import Engine
from exvideo_train.moments import QuantizedMoment
from exvideo_train.mounting import free_originals, mount, trained_parameters
from exvideo_train.plan.model import PlannedModel
from exvideo_train.processes import Processes

STEPS = 3


@dataclass(frozen=True)
class Probe:
    """Measurements of this process.

    Args:
        seconds_per_step: median of the steps after the first.
        peak: bytes of tensors on the device at once, the weights among them.
        held: bytes by part between the backward pass and the update, as `state_bytes` names them.
    """

    seconds_per_step: float
    peak: int
    held: dict[str, int]


def probe(model: PlannedModel, config: TrainConfig) -> Probe:
    """Makes steps as training does, on a micro-batch of noise of the true shapes. Every process must call."""
    from exvideo_train.display import Display
    from exvideo_train.run import start_engine

    processes = Processes(config.distributed)
    network = model.base.network.to(processes.device)
    extension, _ = mount(network, config)
    free_originals(extension, network, processes.device)
    parameters = trained_parameters(extension, network, config, model.context_tokens)
    engine, _, _ = start_engine(network, extension, parameters, config, processes, Display(False))
    batch = model.batch(config).to(processes.device)
    seconds = []
    for number in range(STEPS):
        started = time.perf_counter()
        before, live = held_bytes(engine, network), LiveBytes()
        live.ignore([*network.parameters(), *network.buffers(), *engine.gradients_held()])
        # On a GPU the allocator counts; counting here would slow the steps that are timed.
        counting = number == STEPS - 1 and processes.device.type == "cpu"
        with engine.attention(), live if counting else nullcontext():
            for turn in range(engine.micro_batches):
                engine.backward(model.task.loss(engine, batch, engine.dtype).mean(), turn)
        held, peak = held_bytes(engine, network), live.peak + sum(before.values())
        engine.update(max(engine.gradient_square(), 0.0) ** 0.5)
        engine.update_ema(0.9)
        if number > 0 and not counting:
            seconds.append(time.perf_counter() - started)
    if processes.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(processes.device)
    engine.close()
    return Probe(median(seconds), peak, held)


def held_bytes(engine: Engine, network: nn.Module) -> dict[str, int]:
    """Bytes that the engine and its model hold, by part: every storage once, counted where it is named first."""
    seen: set[int] = set()

    def count(tensors: Iterable[Tensor]) -> int:
        total = 0
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                total += storage.nbytes()
        return total

    whole: list[Any] = [*network.parameters(), *network.buffers()]
    parts = {"weights": count(getattr(parameter, "ds_tensor", parameter) for parameter in whole)}
    state = engine.flat_state()
    parts["masters"] = count(master for master, _ in state)
    moments = [read_state(values, kind) for _, values in state for kind in MOMENTS]
    inner = [[m.codes, m.scales] if isinstance(m, QuantizedMoment) else [m] for m in moments]
    parts["moments"] = count(tensor for tensors in inner for tensor in tensors)
    parts["ema"] = count(values["ema"] for _, values in state)
    parts["gradients"] = count(engine.gradients_held())
    return parts
