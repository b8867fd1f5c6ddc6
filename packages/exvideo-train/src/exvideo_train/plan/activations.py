"""The memory of one forward and backward pass at the true size, measured on tensors without memory."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from exvideo_infer import Conditions, LiveBytes, fused_attention
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from exvideo_train.engine import attention_for
from exvideo_train.step import Batch, Task

StandIn = Callable[[Tensor], Tensor]


def peak_of_a_pass(
    network: nn.Module, trained: set[str], task: Task, batch: Batch, dtype: torch.dtype, device: str = "cpu"
) -> int:
    """The most bytes that tensors of a pass take at once, beside the weights; a gradient goes as soon as it is there.

    The network is not run, and stays as it is: its operators are, on tensors without memory that stand for its own.

    Args:
        network: extended, on a CPU or the meta device.
        trained: names of the parameters that get gradients.
        task: asks the network and judges it.
        batch: of the shapes of a micro-batch; one of its samples stands for all of them where it is smaller.
        dtype: that the network is run in.
        device: "cpu", of which each operator is asked as it would run there; or "meta" for any other, on which some
            operators and layouts differ, and each answer comes ten times as fast.
    """
    # An objective may hold tables of its own, which are real: those of CogVideoX and AnimateDiff, their schedules.
    mode = FakeTensorMode(allow_non_fake_inputs=True) if device == "cpu" else None
    stand_in: StandIn = partial(_of_cpu, mode) if mode is not None else lambda tensor: tensor.to("meta")
    fake = _fake_copy(network, trained, stand_in, dtype)
    given = Batch(**{name: _fake(value, stand_in) for name, value in vars(batch).items()})
    live = LiveBytes()
    live.ignore([*fake.parameters(), *fake.buffers(), given.latents, given.noise, given.level])
    live.ignore(list(vars(given.conditions).values()))
    with attention_for(torch.device(device), dtype), mode or fused_attention(), live:
        task.loss(fake, given, dtype).mean().backward()
    return live.peak


def stretched(batch: Batch, num_frames: int, size: int) -> Batch:
    """A batch of `size` samples of `num_frames` frames, from one of one sample and perhaps one frame."""
    latents = batch.latents.expand(size, num_frames, *batch.latents.shape[2:])
    conditions: Conditions = type(batch.conditions).cat([batch.conditions] * size)
    return Batch(latents, latents, batch.level.expand(size), conditions)


def _of_cpu(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """The fake tensor of one that is on a CPU, or would be there if the meta device did not stand for it."""
    if not tensor.is_meta:
        return mode.from_tensor(tensor)
    with mode:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


def _fake_copy(network: nn.Module, trained: set[str], stand_in: StandIn, dtype: torch.dtype) -> nn.Module:
    """The network with tensors that have shapes and no memory in place of its own."""
    stands_for: dict[int, Any] = {}
    for name, parameter in network.named_parameters():
        made = nn.Parameter(stand_in(parameter.detach()).to(dtype), requires_grad=name in trained)
        if made.requires_grad:
            made.register_post_accumulate_grad_hook(_drop_gradient)
        stands_for[id(parameter)] = made
    for buffer in network.buffers():
        stands_for[id(buffer)] = stand_in(buffer)
    return copy.deepcopy(network, stands_for)


def _drop_gradient(parameter: Tensor) -> None:
    parameter.grad = None


def _fake(value: Any, stand_in: StandIn) -> Any:
    if isinstance(value, Tensor):
        return stand_in(value)
    parts = {name: None if part is None else _fake(part, stand_in) for name, part in vars(value).items()}
    return type(value)(**parts)
