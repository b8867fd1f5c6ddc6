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
    """

    is_sharded = False

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.AdamW,
        parameters: Iterable[nn.Parameter],
        dtype: torch.dtype,
        micro_batches: int,
        processes: int,
        max_grad_norm: float,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scale = 1 / (micro_batches * processes)
        self.processes = processes
        self.max_grad_norm = max_grad_norm
        self._parameters = list(parameters)
        self._masters = {
            parameter: parameter if dtype == torch.float32 else parameter.detach().float().clone()
            for parameter in self._parameters
        }
        self._left = self._micro_batches = micro_batches
        self._give_gradients()
        for group in optimizer.param_groups:
            group["params"] = [self._masters[parameter] for parameter in group["params"]]
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
        if dtype != torch.float32:
            for parameter in self._parameters:
                parameter.register_post_accumulate_grad_hook(self._add_to_master)

    def _give_gradients(self) -> None:
        """Makes every gradient a view of one buffer, which is reduced at once."""
        device = self._parameters[0].device
        self._gradients = torch.zeros(sum(p.numel() for p in self._parameters), device=device)
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, view in zip(self._parameters, self._gradients.split(sizes), strict=True):
            self._masters[parameter].grad = view.view(parameter.shape)

    def _add_to_master(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._masters[parameter].grad += parameter.grad  # type: ignore[index, operator]
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
    def update(self, norm: float) -> bool:
        """Clips, updates the masters and the weights that the model runs on; returns True, as it always does."""
        self._gradients.mul_(min(1.0, self.max_grad_norm / (norm + 1e-6)))
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

    def flat_state(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Pairs of a master and its optimizer state, of this process's shard."""
        return [(master, self.optimizer.state[master]) for master in self._masters.values()]

    def link_state(self) -> None:
        """To be called once the optimizer's state has been made."""

    def read(self, parameter: nn.Parameter, kind: str) -> Tensor:
        """The fp32 master of a parameter, or one of its optimizer's tensors, whole."""
        master = self._masters[parameter]
        return master.detach() if kind == "master" else self.optimizer.state[master][kind]

    @torch.no_grad()
    def write(self, parameter: nn.Parameter, kind: str, value: Tensor) -> None:
        """The inverse of `read`."""
        self.read(parameter, kind).copy_(value)

    def whole(self, parameters: Iterable[nn.Parameter], writes: bool = False) -> AbstractContextManager[None]:
        """Inside, parameters are whole in every process; here they always are."""
        return nullcontext()
