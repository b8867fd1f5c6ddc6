"""The memory of a process of the run, by part, and whether a machine has it."""

import os
from dataclasses import dataclass

import torch

from exvideo_train.config import TrainConfig
from exvideo_train.plan.model import PlannedModel
from exvideo_train.plan.state import OFFLOADED, state_bytes

# Of a GPU's memory, for CUDA itself and for what its allocator cannot use.
RESERVED = 0.06
# Parts that are there at one moment of a step and not at the others.
PASSING = ("activations", "update")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process.

    Args:
        parts: on the device that it trains on, by name. Of `PASSING` the largest counts, as they follow one another.
        offloaded: in main memory, by name.
    """

    parts: dict[str, int]
    offloaded: dict[str, int]

    @property
    def peak(self) -> int:
        """The most bytes on the device at one moment."""
        steady = sum(size for name, size in self.parts.items() if name not in PASSING)
        return steady + max(self.parts.get(name, 0) for name in PASSING)


def memory_of(model: PlannedModel, config: TrainConfig, processes: int) -> Memory:
    """The memory that training will take in each process."""
    parts = state_bytes(model.shapes(config), config, processes)
    batch = model.batch(config)
    parts["batch"] = batch.latents.nbytes + batch.noise.nbytes
    parts["activations"] = model.activation_bytes(config)
    away = OFFLOADED if config.engine.offload_optimizer else ()
    on_device = {name: size for name, size in parts.items() if name not in away}
    return Memory(on_device, {name: parts[name] for name in away})


def capacity() -> tuple[str, int]:
    """The device that a process of this machine trains on, and the bytes of its memory that training can have."""
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return properties.name, int(properties.total_memory * (1 - RESERVED))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "the processor's memory", total // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
