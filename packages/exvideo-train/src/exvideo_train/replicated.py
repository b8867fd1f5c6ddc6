"""ZeRO stage 0: every process holds all masters and moments; gradients are added up in fp32 and averaged once a step.

Not DeepSpeed's, whose stage 0 refuses to add up bf16 gradients in fp32, and whose optimizer for bf16 makes a step on
zero gradients as it is built, which AdamW counts (docs/decisions/0001-state-of-a-run.md).
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from exvideo_train.adamw import read_state
from exvideo_train.moments import Moment, QuantizedMoment, in_fp32
from exvideo_train.quantized_base import QuantizedWeight


class Replicated:
    """A model with AdamW on whole fp32 masters: in fp32 the parameters themselves, in bf16 copies of them.

    Args:
        model: on its device; its parameters are cast to `dtype`, its buffers are left as they are.
        optimizer: AdamW over `parameters`.
        parameters: the trained parameters.
        dtype: that the model runs in.
        micro_batches: backward passes a step.
        processes: their number.
        max_grad_norm: of the clipping.
        offload: keeps masters and the optimizer's state in main memory, whatever the model is on.
    """

    is_sharded = False

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        parameters: Iterable[nn.Parameter],
        dtype: torch.dtype,
        micro_batches: int,
        processes: int,
        max_grad_norm: float,
        *,
        offload: bool = False,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scale = 1 / (micro_batches * processes)
        self.processes = processes
        self.max_grad_norm = max_grad_norm
        self._parameters = list(parameters)
        self._masters = {parameter: _master(parameter, dtype, offload) for parameter in self._parameters}
        self._left = self._micro_batches = micro_batches
        self._give_gradients()
        for group in optimizer.param_groups:
            group["params"] = [self._masters[parameter] for parameter in group["params"]]
        for parameter in model.parameters():
            if parameter.is_floating_point() and not isinstance(parameter, QuantizedWeight):
                parameter.data = parameter.data.to(dtype)
        for parameter, master in self._masters.items():
            if master is not parameter:
                parameter.register_post_accumulate_grad_hook(self._add_up)

    def _give_gradients(self) -> None:
        """Makes every gradient a view of one buffer, which is reduced at once; masters elsewhere get a copy there."""
        device = self._parameters[0].device
        self._gradients = torch.zeros(sum(p.numel() for p in self._parameters), device=device)
        self._sums = dict(zip(self._parameters, self._views(self._gradients), strict=True))
        self._host: Tensor | None = None
        if next(iter(self._masters.values())).device != device:
            self._host = torch.empty_like(self._gradients, device="cpu", pin_memory=True)
        views = self._views(self._gradients if self._host is None else self._host)
        for master, view in zip(self._masters.values(), views, strict=True):
            master.grad = view

    def _views(self, buffer: Tensor) -> list[Tensor]:
        parts = buffer.split([parameter.numel() for parameter in self._parameters])
        return [part.view(parameter.shape) for part, parameter in zip(parts, self._parameters, strict=True)]

    def _add_up(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._sums[parameter] += parameter.grad  # type: ignore[index]
        parameter.grad = None

    def close(self) -> None:
        """Ends the training; nothing of PyTorch was changed."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.model(*args, **kwargs)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch; after the last one they are averaged over the processes."""
        (loss * self.scale).backward()
        self._left -= 1
        if self._left == 0:
            dist.all_reduce(self._gradients)

    def between(self) -> None:
        """To be called after every `backward` but the last."""

    def gradients(self) -> list[Tensor]:
        """The gradients of this process's shard, here all of them, averaged over the processes."""
        return [self._gradients]

    @torch.no_grad()
    def update(self, norm: float, loss_scale: float = 1.0) -> bool:
        """Clips, updates the masters and the weights that the model runs on; returns True, as it always does.

        Args:
            norm: of the gradient of the loss itself.
            loss_scale: that the loss was multiplied by.
        """
        self._gradients.mul_(min(1.0, self.max_grad_norm / (norm + 1e-6)) / loss_scale)
        if self._host is not None:
            self._host.copy_(self._gradients)
        self.optimizer.step()
        for parameter, master in self._masters.items():
            if master is not parameter:
                parameter.copy_(master)
        self.discard()
        return True

    def discard(self) -> None:
        """Forgets the gradients of the step."""
        self._gradients.zero_()
        self._left = self._micro_batches

    def flat_masters(self) -> list[Tensor]:
        """The masters of this process's shard."""
        return list(self._masters.values())

    def flat_state(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Pairs of a master and its optimizer state, of this process's shard."""
        return [(master, self.optimizer.state[master]) for master in self._masters.values()]

    def link_state(self) -> None:
        """To be called once the optimizer's state has been made."""

    def read(self, parameter: nn.Parameter, kind: str) -> Moment:
        """The fp32 master of a parameter, or one of its optimizer's tensors, whole."""
        master = self._masters[parameter]
        return master.detach() if kind == "master" else read_state(self.optimizer.state[master], kind)

    @torch.no_grad()
    def write(self, parameter: nn.Parameter, kind: str, value: Moment) -> None:
        """The inverse of `read`."""
        kept = self.read(parameter, kind)
        if isinstance(kept, QuantizedMoment):
            kept.copy_(value)
        else:
            kept.copy_(in_fp32(value))

    def whole(self, parameters: Iterable[nn.Parameter], writes: bool = False) -> AbstractContextManager[None]:
        """Inside, parameters are whole in every process; here they always are."""
        return nullcontext()


def _master(parameter: nn.Parameter, dtype: torch.dtype, offload: bool) -> Tensor:
    if offload:
        master = parameter.detach().to("cpu", torch.float32, copy=True)
        return master.pin_memory() if parameter.device.type == "cuda" else master
    return parameter if dtype == torch.float32 else parameter.detach().float().clone()
