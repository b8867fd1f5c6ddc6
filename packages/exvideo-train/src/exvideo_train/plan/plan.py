"""All that a run will take, and whether this machine has it."""

from dataclasses import dataclass, field
from typing import Any

from exvideo_train.config import TrainConfig
from exvideo_train.data.buckets import Bucket
from exvideo_train.data.footage import Footage
from exvideo_train.data.report import describe
from exvideo_train.plan.memory import Memory
from exvideo_train.plan.probe import Probe


@dataclass
class Plan:
    """All that a run will take. Bytes, seconds; `written` for JSON. Memory and probe are of the largest bucket."""

    config: TrainConfig
    processes: int
    device: str
    capacity: int
    memory: Memory
    bucket: Bucket
    trained: int
    frozen: int
    footage: list[Footage]
    checkpoint_bytes: int
    checkpoints: int
    cache: int
    free: dict[str, int]
    one_disk: bool
    steps_done: int
    seconds_per_step: float | None
    probe: Probe | None = None
    changes: list[tuple[str, str]] | None = field(default_factory=list)

    @property
    def memory_fits(self) -> bool:
        """True if a process has the memory that it will take."""
        return self.memory.peak <= self.capacity

    @property
    def disk_fits(self) -> bool:
        """True if checkpoints and cache have room, on one disk or on two."""
        kept = self.checkpoint_bytes * self.checkpoints
        output, cache = self.free[str(self.config.output)], self.free[str(self.config.cache)]
        return kept + self.cache <= output if self.one_disk else kept <= output and self.cache <= cache

    @property
    def fits(self) -> bool:
        """True if the run can be started here."""
        return self.memory_fits and self.disk_fits

    @property
    def seconds_left(self) -> float | None:
        """Until the last step, without evaluations; None where nobody has measured a step."""
        if self.seconds_per_step is None:
            return None
        return self.seconds_per_step * max(0, self.config.optimizer.steps - self.steps_done)

    def written(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        memory: dict[str, Any] = {"device": self.device, "capacity": self.capacity, "peak": self.memory.peak}
        memory |= {"clips": vars(self.bucket)}
        memory |= {"parts": self.memory.parts, "offloaded": self.memory.offloaded, "fits": self.memory_fits}
        disk = {"checkpoint": self.checkpoint_bytes, "checkpoints": self.checkpoints, "cache": self.cache}
        time: dict[str, Any] = {"steps": self.config.optimizer.steps, "steps_done": self.steps_done}
        time |= {"seconds_per_step": self.seconds_per_step, "seconds_left": self.seconds_left}
        return {
            "format_version": 1,
            "fits": self.fits,
            "processes": self.processes,
            "config": self.config.model_dump(mode="json"),
            "parameters": {"trained": self.trained, "frozen": self.frozen},
            "data": [describe(part) for part in self.footage],
            "memory": memory,
            "disk": disk | {"free": self.free, "fits": self.disk_fits},
            "time": time,
            "probe": None if self.probe is None else vars(self.probe),
            "changes": self.changes if self.changes is None else [key for key, _ in self.changes],
        }
