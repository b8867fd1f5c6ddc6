"""The bytes that training keeps in each process, from shapes alone: what DeepSpeed and the engine will allocate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil

from torch import Size

from exvideo_train.adamw import moment_bytes
from exvideo_train.checkpoints.writer import EXPORTS
from exvideo_train.config import TrainConfig
from exvideo_train.quantized_base import NF4_BLOCK
from exvideo_train.zero import BUCKET

FP32 = 4
ALIGNMENT = 2  # numbers a process: DeepSpeed pads the flat groups of stages 1 and 2 to so many


@dataclass(frozen=True)
class Shapes:
    """All that the state of a run depends on, beside its settings.

    Args:
        trained: shapes of the trained parameters, by name.
        undecayed: names of those that are a group of their own, without weight decay.
        frozen: counts of the network's other parameters.
        buffers: bytes of its buffers.
        linear: shapes of the frozen weights of linear layers.
        adapted: count of the numbers in an extension's file.
    """

    trained: Mapping[str, Size]
    undecayed: Collection[str]
    frozen: tuple[int, ...]
    buffers: int
    linear: tuple[Size, ...]
    adapted: int

    @property
    def num_trained(self) -> int:
        """The count of trained numbers."""
        return sum(shape.numel() for shape in self.trained.values())

    def groups(self) -> list[list[int]]:
        """Counts of the parameters of each optimizer group."""
        decayed = [shape.numel() for name, shape in self.trained.items() if name not in self.undecayed]
        undecayed = [shape.numel() for name, shape in self.trained.items() if name in self.undecayed]
        return [group for group in (decayed, undecayed) if group]


def state_bytes(shapes: Shapes, config: TrainConfig, processes: int, rank: int = 0) -> dict[str, int]:
    """Bytes in a process, by part.

    Args:
        shapes: of the network.
        config: precision, ZeRO stage, optimizer.
        processes: that share the state.
        rank: of the process: gradients of tensors across a border between two shards are kept by both.

    Returns:
        `weights` that the model runs on; `masters` in fp32, `moments` of AdamW, `ema`; `gradients` when the last
        backward pass of a step has ended; `reduce_bucket`, that gradients are exchanged through; `gathered`, the
        weights that ZeRO 3 may hold whole at once; `update`, temporary tensors of the optimizer. A part that there is
        not is 0.
    """
    stage, width = config.engine.zero_stage, FP32 if config.engine.precision == "fp32" else 2
    trained, shards = shapes.num_trained, _group_shards(shapes, stage, processes)
    shard = sum(shards)
    padded = shard * processes if stage in (1, 2) else trained
    own_masters = stage > 0 or width < FP32 or config.engine.offload_optimizer  # else the weights are the masters
    parts = dict.fromkeys(PARTS, 0)
    parts["weights"] = shapes.buffers + width * (sum(shapes.frozen) + padded)
    parts["weights"] -= _saved_by_few_bits(shapes, config, width)
    parts["masters"] = FP32 * shard if own_masters else 0
    parts["moments"] = sum(moment_bytes(config.optimizer.kind, count) for count in _tensors(shapes, stage, shards))
    parts["ema"] = FP32 * shard
    parts["gradients"] = FP32 * _gradients(shapes, config, processes, rank)
    if stage == 3:
        parts["weights"] = shapes.buffers + width * (sum(ceil(count / processes) for count in shapes.frozen) + shard)
        parts["gathered"] = width * min(sum(shapes.frozen) + trained, _most_gathered(config))
    if stage and processes > 1:
        bucket = config.deepspeed.zero_optimization.get("reduce_bucket_size", BUCKET)
        parts["reduce_bucket"] = FP32 * min(bucket, trained)
    if config.optimizer.kind == "adamw":
        parts["update"] = 2 * FP32 * max(_tensors(shapes, stage, shards))
    return parts


PARTS = ("weights", "masters", "moments", "ema", "gradients", "reduce_bucket", "gathered", "update")
OFFLOADED = ("masters", "moments", "ema", "update")  # in main memory under `engine.offload_optimizer`


def checkpoint_bytes(shapes: Shapes, config: TrainConfig) -> int:
    """Bytes of a checkpoint of all processes together, the headers of its files apart."""
    state = sum(
        2 * FP32 * shape.numel() + moment_bytes(config.optimizer.kind, shape.numel())
        for shape in shapes.trained.values()
    )
    return state + len(EXPORTS) * FP32 * shapes.adapted


def _tensors(shapes: Shapes, stage: int, shards: list[int]) -> list[int]:
    """Numbers of each tensor that the optimizer works on."""
    return [shape.numel() for shape in shapes.trained.values()] if stage == 0 else shards


def _gradients(shapes: Shapes, config: TrainConfig, processes: int, rank: int) -> int:
    """Numbers of the gradients that a process keeps until the update."""
    stage = config.engine.zero_stage
    if stage == 0:
        return shapes.num_trained
    shards = _group_shards(shapes, stage, processes)
    if stage == 3 or (stage == 2 and config.engine.precision == "bf16"):
        return sum(shards)
    if stage == 1 and config.engine.precision == "bf16":  # DeepSpeed's own optimizer for it: one buffer of all
        return sum(shards) * processes
    kept = 0
    for group, shard in zip(shapes.groups(), shards, strict=True):
        first, last, place = rank * shard, (rank + 1) * shard, 0
        for count in group:
            kept += count if place < last and place + count > first else 0
            place += count
        kept += max(0, last - max(first, place))  # padding
    return kept


def _saved_by_few_bits(shapes: Shapes, config: TrainConfig, width: int) -> int:
    kept = {"same": None, "fp8": _fp8_bytes, "nf4": _nf4_bytes}[config.engine.base_precision]
    if kept is None:
        return 0
    return sum(width * shape.numel() - kept(shape) for shape in shapes.linear)


def _fp8_bytes(shape: Size) -> int:
    return shape.numel() + FP32 * shape[0]


def _nf4_bytes(shape: Size) -> int:
    return ceil(shape.numel() / 2) + FP32 * ceil(shape.numel() / NF4_BLOCK)


def _group_shards(shapes: Shapes, stage: int, processes: int) -> list[int]:
    """Numbers of each optimizer group that a process keeps the state of, padding among them."""
    if stage == 0:
        return [sum(group) for group in shapes.groups()]
    if stage == 3:
        return [sum(ceil(count / processes) for count in group) for group in shapes.groups()]
    unit = ALIGNMENT * processes
    return [ceil(sum(group) / unit) * ALIGNMENT for group in shapes.groups()]


def _most_gathered(config: TrainConfig) -> int:
    return int(config.deepspeed.zero_optimization.get("stage3_max_live_parameters", 10**9))
