"""All that knows DeepSpeed: ZeRO stages 1 to 3, and the fp32 state behind each parameter."""

import logging
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from exvideo_train.config import TrainConfig
from exvideo_train.moments import Moment, in_fp32

BUCKET = 200_000_000  # numbers that are reduced at once, at most; a bucket of fp32 gradients is a buffer of that size


class Zero:
    """A model under DeepSpeed, with AdamW on fp32 masters that are sharded over the processes.

    Args:
        model: its trained parameters in fp32.
        optimizer: AdamW over the trained parameters.
        config: the run.
        micro_batches: backward passes a step.
        num_trained: the count of trained numbers.
    """

    is_sharded = True

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        micro_batches: int,
        num_trained: int,
        processes: int,
        rank: int,
    ) -> None:
        if not torch.cuda.is_available():
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed would find out too, and warn
        import deepspeed

        deepspeed.utils.logger.setLevel(logging.WARNING)
        # On a CPU DeepSpeed would compile its shared-memory all-reduce at start: half a minute, and a failure where
        # there is no C++ compiler. gloo does without.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        self.stage = config.engine.zero_stage
        self.processes, self.rank = processes, rank
        self._offloads = config.engine.offload_optimizer
        self._linear = torch.nn.functional.linear  # stage 3 puts DeepSpeed's own in its place, for all models there are
        self._engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimizer, config=_deepspeed_config(config, micro_batches, num_trained)
        )

    def close(self) -> None:
        """Gives PyTorch its own linear function back."""
        torch.nn.functional.linear = self._linear

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._engine(*args, **kwargs)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch; after the last one this process has its shard of their average."""
        self._engine.backward(loss)

    def between(self) -> None:
        """To be called after every `backward` but the last."""
        self._engine.step()

    def gradients(self) -> list[Tensor]:
        """The gradients of this process's shard, averaged over the processes; none after an update."""
        optimizer = self._engine.optimizer
        if self._offloads:
            if torch.cuda.is_available():
                torch.cuda.synchronize()  # they may be on their way to main memory
            return [flat.grad for flat in self.flat_masters() if flat.grad is not None]
        if self._is_bf16_optimizer:
            return list(optimizer.fp32_groups_gradient_flat_partition)
        found: list[Tensor] = []
        for group in optimizer.averaged_gradients.values():
            found += [gradient for gradient in group or [] if gradient is not None]
        return found

    def update(self, norm: float) -> bool:
        """Clips, updates the masters and the weights that the model runs on.

        Returns:
            False if DeepSpeed has left the step out.
        """
        self._engine.step()
        return bool(self._engine.was_step_applied())

    def discard(self) -> None:
        """Forgets the gradients of the step."""
        self._engine.optimizer.zero_grad()

    def flat_state(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Pairs of a flat master and its optimizer state, of this process's shard."""
        return [(flat, self._engine.optimizer.optimizer.state[flat]) for flat in self.flat_masters()]

    def flat_masters(self) -> list[Tensor]:
        """The flat fp32 masters of this process's shard."""
        optimizer = self._engine.optimizer
        if self._is_bf16_optimizer:
            return list(optimizer.fp32_groups_flat_partition)
        if self.stage == 3:
            return list(optimizer.fp32_partitioned_groups_flat)
        return list(optimizer.single_partition_of_fp32_groups)

    def link_state(self) -> None:
        """To be called once the optimizer's state has been made: DeepSpeed looks for it after the first step only."""
        if self.stage < 3:
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def read(self, parameter: nn.Parameter, kind: str) -> Tensor:
        """The fp32 master of a parameter, or one of its optimizer's tensors, whole; every process must call."""
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        if kind == "master":
            return safe_get_full_fp32_param(parameter).detach()
        return safe_get_full_optimizer_state(parameter, kind).detach()

    def write(self, parameter: nn.Parameter, kind: str, value: Moment) -> None:
        """The inverse of `read`."""
        from deepspeed import utils

        value = in_fp32(value)
        key = () if kind == "master" else (kind,)
        if self.stage < 3:
            setter = utils.safe_set_full_fp32_param if kind == "master" else utils.safe_set_full_optimizer_state
            setter(parameter, value, *key)
            return
        # The full setters of stage 3 fail where a parameter does not divide by the number of processes.
        partition = parameter.ds_tensor.ds_numel  # type: ignore[attr-defined] # set by DeepSpeed
        padded = torch.zeros(partition * self.processes, device=value.device)
        padded[: value.numel()] = value.flatten()
        own = padded.narrow(0, partition * self.rank, partition)
        setter = utils.safe_set_local_fp32_param if kind == "master" else utils.safe_set_local_optimizer_state
        setter(parameter, own, *key)

    def whole(self, parameters: Iterable[nn.Parameter], writes: bool = False) -> AbstractContextManager[None]:
        """Inside, parameters are whole in every process, and keep what all write there; every process must enter."""
        import deepspeed

        context: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(
            list(parameters), modifier_rank=0 if writes else None, enabled=self.stage == 3
        )
        return context

    @property
    def _is_bf16_optimizer(self) -> bool:
        """True if DeepSpeed runs bf16 at stage 1 by an optimizer of its own, as it does to add gradients up in fp32."""
        return hasattr(self._engine.optimizer, "fp32_groups_flat_partition")


def _deepspeed_config(config: TrainConfig, micro_batches: int, num_trained: int) -> dict[str, Any]:
    bucket = min(BUCKET, num_trained)
    offload = {"offload_optimizer": {"device": "cpu", "pin_memory": torch.cuda.is_available()}}
    return {
        "train_micro_batch_size_per_gpu": config.optimizer.micro_batch_size,
        "gradient_accumulation_steps": micro_batches,
        "gradient_clipping": config.optimizer.max_grad_norm,
        "bf16": {"enabled": config.engine.precision == "bf16"},
        # Micro-batches and processes are added up in fp32; by default they would be in bf16.
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "zero_optimization": {
            "stage": config.engine.zero_stage,
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket + bucket % 2,  # DeepSpeed refuses an odd one
            **(offload if config.engine.offload_optimizer else {}),
        }
        | config.deepspeed.zero_optimization,
        "zero_force_ds_cpu_optimizer": False,  # offloaded, too
        "zero_allow_untested_optimizer": True,  # torch's AdamW: DeepSpeed's own compiles a kernel on a CPU
        "steps_per_print": 10**9,
    }
