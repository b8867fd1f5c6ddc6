"""All that knows DeepSpeed: processes, mixed precision, ZeRO, and the fp32 state behind each parameter."""

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from exvideo_train.config import TrainConfig
from exvideo_train.errors import UserError

# fp32 values that the engine keeps for every trained parameter. "ema" rides in the optimizer's state, so that it is
# sharded as the moments are and updated without any communication.
STATE_KINDS = ("master", "exp_avg", "exp_avg_sq", "ema")


class Processes:
    """The processes of this run: one without a launcher, else those of `deepspeed` or `torchrun`."""

    def __init__(self) -> None:
        if "RANK" not in os.environ:
            _become_the_only_process()
        if not torch.cuda.is_available():
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed would find out too, and warn
        import deepspeed

        deepspeed.utils.logger.setLevel(logging.WARNING)
        # On a CPU DeepSpeed would compile its shared-memory all-reduce at start: half a minute, and a failure where
        # there is no C++ compiler. gloo does without.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed(dist_backend=None if torch.cuda.is_available() else "gloo", verbose=False)
        self.rank: int = deepspeed.comm.get_rank()
        self.count: int = deepspeed.comm.get_world_size()
        self.device = (
            torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")
        )
        self._comm = deepspeed.comm

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0

    def share(self, items: list[Any]) -> list[Any]:
        """This process's part of a list that all processes hold."""
        return items[self.rank :: self.count]

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes; every process must call."""
        total = value.detach().to(self.device, torch.float64 if self.device.type == "cpu" else torch.float32).clone()
        self._comm.all_reduce(total)
        return total.cpu()

    def gather(self, value: Any) -> list[Any]:
        """One small Python value of every process, in the order of ranks; every process must call."""
        values: list[Any] = [None] * self.count
        self._comm.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Returns when every process has called it."""
        self._comm.barrier()


def _become_the_only_process() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


class Engine:
    """A model under DeepSpeed, with AdamW on fp32 masters and an EMA of them.

    Args:
        model: the extended model; its trained parameters in fp32, whose values become the masters.
        parameters: the trained parameters by name.
        config: the run.
        processes: those of the run.

    Raises:
        UserError: the batch cannot be spread evenly over the processes.
    """

    def __init__(
        self, model: nn.Module, parameters: dict[str, nn.Parameter], config: TrainConfig, processes: Processes
    ) -> None:
        import deepspeed

        self.processes = processes
        self.parameters = parameters
        self.zero_stage = config.engine.zero_stage
        self.dtype = torch.bfloat16 if config.engine.precision == "bf16" else torch.float32
        self.micro_batches = _micro_batches(config, processes.count)
        # Read before DeepSpeed partitions (stage 3) or casts them.
        self.shapes = {name: parameter.shape for name, parameter in parameters.items()}
        masters = {name: parameter.detach().float().clone() for name, parameter in parameters.items()}
        optimizer = torch.optim.AdamW(parameters.values(), lr=0.0, weight_decay=config.optimizer.weight_decay)
        self._engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimizer, config=_deepspeed_config(config, self.micro_batches)
        )
        self._create_optimizer_state()
        for kind in ("master", "ema"):
            self.write_state(kind, masters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._engine(*args, **kwargs)

    def attention(self) -> AbstractContextManager[None]:
        """To be entered for forward and backward passes: chooses among PyTorch's implementations of attention.

        On CPUs the fused one is slow to differentiate in bfloat16; written out, a step takes half the time.
        """
        if self.processes.device.type == "cpu" and self.dtype == torch.bfloat16:
            return sdpa_kernel(SDPBackend.MATH)
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Gradients of one micro-batch's mean loss."""
        self._engine.backward(loss)

    def step(self) -> None:
        """To be called after every `backward`; the last micro-batch's updates the weights."""
        self._engine.step()

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate

    def gradient_norm(self) -> float:
        """Norm of the last step's gradient over all trained parameters, before clipping."""
        return float(self._engine.get_global_grad_norm())

    def update_ema(self, decay: float) -> None:
        """ema <- decay * ema + (1 - decay) * master."""
        for flat, state in self._flat_state():
            state["ema"].lerp_(flat.detach(), 1 - decay)

    @property
    def num_parameters(self) -> int:
        """The count of trained numbers."""
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def optimizer_step(self) -> int:
        """Updates made so far, as AdamW counts them for its bias correction."""
        return int(next(state["step"].item() for _, state in self._flat_state()))

    @optimizer_step.setter
    def optimizer_step(self, value: int) -> None:
        for _, state in self._flat_state():
            state["step"].fill_(value)

    def read_state(self, kind: str) -> dict[str, Tensor]:
        """One of `STATE_KINDS` of every trained parameter, whole, fp32, on the CPU; every process must call."""
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        values = {}
        for name, parameter in self.parameters.items():
            if kind == "master":
                value = safe_get_full_fp32_param(parameter)
            else:
                value = safe_get_full_optimizer_state(parameter, kind)
            values[name] = value.detach().cpu().clone()
        return values

    def write_state(self, kind: str, values: dict[str, Tensor]) -> None:
        """The inverse of `read_state`; writing "master" also sets the weights that the model runs on."""
        for name, parameter in self.parameters.items():
            self._write_one(parameter, kind, values[name].to(self.processes.device, torch.float32))
        if kind == "master":
            self._set_weights(values)

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Runs the model on the EMA inside; on the trained weights again outside. Every process must enter."""
        self._set_weights(self.read_state("ema"))
        try:
            yield
        finally:
            self._set_weights(self.read_state("master"))

    @contextmanager
    def whole(self, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
        """Inside, parameters are whole in every process, whatever the stage. Every process must enter."""
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(parameters), enabled=self.zero_stage == 3):
            yield

    def _write_one(self, parameter: nn.Parameter, kind: str, value: Tensor) -> None:
        from deepspeed import utils

        key = () if kind == "master" else (kind,)
        if self.zero_stage < 3:
            setter = utils.safe_set_full_fp32_param if kind == "master" else utils.safe_set_full_optimizer_state
            setter(parameter, value, *key)
            return
        # The full setters of stage 3 fail where a parameter does not divide by the number of processes.
        partition = parameter.ds_tensor.ds_numel  # type: ignore[attr-defined] # set by DeepSpeed
        padded = torch.zeros(partition * self.processes.count, device=value.device)
        padded[: value.numel()] = value.flatten()
        own = padded.narrow(0, partition * self.processes.rank, partition)
        setter = utils.safe_set_local_fp32_param if kind == "master" else utils.safe_set_local_optimizer_state
        setter(parameter, own, *key)

    def _set_weights(self, values: dict[str, Tensor]) -> None:
        import deepspeed

        for name, parameter in self.parameters.items():
            with (
                deepspeed.zero.GatheredParameters(parameter, modifier_rank=0, enabled=self.zero_stage == 3),
                torch.no_grad(),
            ):
                parameter.copy_(values[name])

    def _flat_parameters(self) -> list[Tensor]:
        optimizer = self._engine.optimizer
        if self.zero_stage == 3:
            return list(optimizer.fp32_partitioned_groups_flat)
        return list(optimizer.single_partition_of_fp32_groups)

    def _flat_state(self) -> list[tuple[Tensor, dict[str, Tensor]]]:
        return [(flat, self._engine.optimizer.optimizer.state[flat]) for flat in self._flat_parameters()]

    def _create_optimizer_state(self) -> None:
        """AdamW would make its state at the first step, too late to be written to from a checkpoint."""
        optimizer = self._engine.optimizer
        for flat in self._flat_parameters():
            optimizer.optimizer.state[flat] = {
                "step": torch.tensor(0.0),
                **{kind: torch.zeros_like(flat.detach()) for kind in STATE_KINDS if kind != "master"},
            }
        if self.zero_stage < 3:
            optimizer._lazy_init_hp_params_optimizer_state()


def _micro_batches(config: TrainConfig, processes: int) -> int:
    size, micro = config.optimizer.batch_size, config.optimizer.micro_batch_size
    if size % (micro * processes):
        raise UserError(
            f"optimizer.batch_size={size} cannot be spread over {processes} processes in micro-batches of {micro}: "
            f"make it a multiple of {micro * processes}."
        )
    return size // (micro * processes)


def _deepspeed_config(config: TrainConfig, micro_batches: int) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": config.optimizer.micro_batch_size,
        "gradient_accumulation_steps": micro_batches,
        "gradient_clipping": config.optimizer.max_grad_norm,
        "bf16": {"enabled": config.engine.precision == "bf16"},
        "zero_optimization": {"stage": config.engine.zero_stage},
        "zero_allow_untested_optimizer": True,  # torch's AdamW: DeepSpeed's own compiles a kernel on a CPU
        "steps_per_print": 10**9,
    }
