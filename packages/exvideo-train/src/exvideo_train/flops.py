"""FLOPs of a training step, counted once without computing anything, and what a card can do in a second."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.order import ClipOrder
from exvideo_train.processes import Processes
from exvideo_train.step import Batch, Task, training_batch

# Tera-FLOPs a second, dense, bf16 with sums in fp32, by NVIDIA's data sheets and white papers. A name that is not
# among them whole, such as that of a laptop's card or of a slice of one (MIG), is not known.
_PEAKS = {
    r"A10": 125.0,
    r"A40": 149.7,
    r"A100[- ](SXM4-|PCIE-|PCIe-)?(40|80)GB( PCIe)?": 312.0,
    r"L4": 121.0,
    r"L40": 181.0,
    r"L40S": 362.0,
    r"H100 PCIe": 756.0,
    r"H100 NVL": 835.0,
    r"H100 80GB HBM3": 989.4,
    r"H200": 989.4,
    r"B200": 2250.0,
    r"RTX A6000": 154.8,
    r"RTX 6000 Ada Generation": 364.2,
    r"RTX 3090": 71.0,
    r"RTX 4090": 165.2,
    r"RTX 5090": 209.5,
}


def peak_flops(card: str) -> float | None:
    """FLOPs a second of a card by its name in PyTorch, dense in bf16; None where it is not known."""
    name = card.removeprefix("NVIDIA ").removeprefix("GeForce ")
    return next((1e12 * peak for pattern, peak in _PEAKS.items() if re.fullmatch(pattern, name)), None)


def flops_and_peak(
    config: TrainConfig, network: nn.Module, task: Task, data: Data, processes: Processes, note: Callable[[str], None]
) -> tuple[list[int] | None, float | None]:
    """FLOPs of a step of each bucket in this process, and those that its card does in a second at most.

    None where they are not known.

    Args:
        network: as for `count_flops`.
        note: told if they cannot be counted.
    """
    device, section = processes.device, config.optimizer
    peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    if peak is None:
        return None, None
    samples, flops = list(range(section.micro_batch_size)), []
    try:
        for clips in data.buckets.values():
            order = ClipOrder(clips, config.seed, section.batch_size)
            batch = training_batch(config, task.objective, data.cache, order, 0, samples)
            flops.append(count_flops(network, task, batch, torch.bfloat16))
    except (RuntimeError, NotImplementedError) as error:  # an operator that knows no shapes
        note(f"MFU is not told, as the FLOPs of a step cannot be counted by shapes alone: {error}")
        return None, None
    turns = section.batch_size // (section.micro_batch_size * processes.count)
    return [turns * each for each in flops], peak


def count_flops(network: nn.Module, task: Task, batch: Batch, dtype: torch.dtype) -> int:
    """FLOPs of a forward and a backward pass, by shapes alone (the meta device): no memory, no kernel, no draw.

    What activation checkpointing computes twice counts once, as usual for the use of a card (PaLM, arXiv 2204.02311,
    appendix B); so it must not be on yet.

    Args:
        network: whole, not compiled, and not in the hands of DeepSpeed; it stays as it is. Parameters that require a
            gradient get one.
        batch: a micro-batch, of any device.
        dtype: that the network computes in.
    """
    tensors = {name: _shape(value, dtype) for name, value in network.named_parameters()}
    wanted = [tensors[name].requires_grad_() for name, value in network.named_parameters() if value.requires_grad]
    tensors |= {name: _shape(value, dtype) for name, value in network.named_buffers()}

    with FlopCounterMode(display=False) as counter:
        loss = task.loss(_Shaped(network, tensors), batch.to(torch.device("meta")), dtype).mean()
        torch.autograd.grad(loss, wanted, allow_unused=True)
    return counter.get_total_flops()


@dataclass(frozen=True)
class _Shaped:
    """A network that is asked with other tensors than its own, by their names."""

    module: nn.Module
    tensors: dict[str, Tensor]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return functional_call(self.module, self.tensors, args, kwargs)


def _shape(value: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_like(value.detach(), device="meta", dtype=dtype if value.is_floating_point() else value.dtype)
