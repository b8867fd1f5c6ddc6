"""The trained weights and what they are updated by: AdamW on fp32 masters, their EMA, at any ZeRO stage."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from exvideo_train.adamw import create_state, make_optimizer, moment_bytes, set_steps_made, steps_made
from exvideo_train.config import TrainConfig
from exvideo_train.dropout import Dropout
from exvideo_train.errors import UserError
from exvideo_train.moments import Moment, QuantizedMoment, in_fp32
from exvideo_train.processes import Processes
from exvideo_train.replicated import Replicated
from exvideo_train.zero import Zero

# Values that the engine keeps for every trained parameter, fp32 but for moments in 8 bits. "ema" rides in the
# optimizer's state, so that it is sharded as the moments are and updated without any communication.
STATE_KINDS = ("master", "exp_avg", "exp_avg_sq", "ema")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str, device: torch.device) -> None:
    """Raises UserError if a model is not to run in a precision on a device."""
    if precision == "fp16" and device.type != "cuda":
        raise UserError("engine.precision: fp16 is for GPUs, and there is none here: set it to fp32 or bf16.")


class Engine:
    """A model with AdamW on fp32 masters and an EMA of them.

    Args:
        model: the extended model, on its device; its trained parameters in fp32, whose values become the masters.
        parameters: the trained parameters by name.
        config: the run.
        processes: those of the run.
        undecayed: names of the trained parameters that get no weight decay.

    Attributes:
        module: the model, for whoever asks for its configuration.

    Raises:
        UserError: the batch cannot be spread evenly over the processes.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: dict[str, nn.Parameter],
        config: TrainConfig,
        processes: Processes,
        undecayed: Collection[str] = (),
    ) -> None:
        self.module = model
        self.processes = processes
        self.parameters = parameters
        self.dtype = DTYPES[config.engine.precision]
        check_precision(config.engine.precision, processes.device)
        self.loss_scale = 1.0  # in fp16, set before the backward passes of a step
        self.micro_batches = _micro_batches(config, processes.count)
        # Read before DeepSpeed partitions (stage 3) or casts them.
        self.shapes = {name: parameter.shape for name, parameter in parameters.items()}
        for parameter in parameters.values():  # they may have been drawn at random
            dist.broadcast(parameter.data, src=0)
        masters = {name: parameter.detach().float().cpu().clone() for name, parameter in parameters.items()}
        self.dropout = Dropout(model, 0.0 if config.model is None else config.model.dropout, config.seed)
        self.gradients = GradientWatch(parameters.values(), processes.device)  # its hooks are before DeepSpeed's
        self.optimizer_kind = config.optimizer.kind
        runs_on = torch.device("cpu") if config.engine.offload_optimizer else processes.device
        self._optimizer = make_optimizer(parameters, undecayed, config.optimizer, runs_on)
        self._backend = self._start(model, config)
        create_state(self._optimizer, self._backend.flat_masters())
        self._backend.link_state()
        for kind in ("master", "ema"):
            self.write_state(kind, masters)

    def _start(self, model: nn.Module, config: TrainConfig) -> Replicated | Zero:
        count, rank = self.processes.count, self.processes.rank
        if config.engine.zero_stage > 0:
            return Zero(model, self._optimizer, config, self.micro_batches, self.num_parameters, count, rank)
        return Replicated(
            model,
            self._optimizer,
            self.parameters.values(),
            self.dtype,
            self.micro_batches,
            count,
            config.optimizer.max_grad_norm,
            offload=config.engine.offload_optimizer,
        )

    def close(self) -> None:
        """Leaves PyTorch as it was before; no step can be made after."""
        self._backend.close()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._backend(*args, **kwargs)

    def attention(self) -> AbstractContextManager[None]:
        """To be entered for forward and backward passes."""
        return attention_for(self.processes.device, self.dtype)

    def backward(self, loss: Tensor, turn: int) -> None:
        """Adds the gradients of micro-batch number `turn` of a step, from its mean loss; nothing is updated yet."""
        if turn == 0:
            self.gradients.start(self.micro_batches)
        elif turn > 0:
            self._backend.between()
        self.gradients.turn = turn
        self._backend.backward(loss * self.loss_scale if self.loss_scale != 1 else loss)

    def gradient_square(self) -> float:
        """This process's part of the squared norm of the step's gradient: the parts of all processes add up to it.

        To be called after the last `backward`. Not finite where a number of the gradient is not.
        """
        norms = torch._foreach_norm(self._backend.gradients(), dtype=torch.float32)
        square = torch.stack(norms).double().square().sum().item() / self.loss_scale**2
        return square if self._backend.is_sharded else square / self.processes.count

    def flat_state(self) -> list[tuple[Tensor, dict[str, Any]]]:
        """Pairs of a master and its optimizer state, of this process's shard: what takes its memory."""
        return self._backend.flat_state()

    def gradients_held(self) -> list[Tensor]:
        """The gradients that are in this process's memory: all of a shard after the last `backward` of a step."""
        return self._backend.gradients()

    def update(self, norm: float) -> bool:
        """Clips the gradient and updates the weights.

        Args:
            norm: of the gradient over all processes.

        Returns:
            False if the update was left out, as DeepSpeed does with gradients that it cannot use.
        """
        if isinstance(self._backend, Replicated):
            return self._backend.update(norm, self.loss_scale)
        return self._backend.update(norm)

    def discard(self) -> None:
        """Forgets the gradients of a step; weights, moments and EMA stay as they are."""
        self._backend.discard()

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate

    def update_ema(self, decay: float) -> None:
        """ema <- decay * ema + (1 - decay) * master."""
        for flat, state in self._backend.flat_state():
            state["ema"].lerp_(flat.detach(), 1 - decay)

    @property
    def num_parameters(self) -> int:
        """The count of trained numbers."""
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def optimizer_step(self) -> int:
        """Updates made so far, as AdamW counts them for its bias correction."""
        return next(steps_made(state) for _, state in self._backend.flat_state())

    @optimizer_step.setter
    def optimizer_step(self, value: int) -> None:
        for _, state in self._backend.flat_state():
            set_steps_made(state, value)

    @property
    def state_bytes(self) -> int:
        """Bytes of `STATE_KINDS` of all trained parameters."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        return sum(8 * size + moment_bytes(self.optimizer_kind, size) for size in sizes)

    def read_state(self, kind: str) -> Iterator[tuple[str, Moment]]:
        """One of `STATE_KINDS` of every trained parameter, by name: whole, where the optimizer runs, one at a time.

        Every process must go through all of them. A tensor is good until the next one is asked for.
        """
        for name, parameter in self.parameters.items():
            yield name, self._backend.read(parameter, kind)

    def write_state(self, kind: str, values: Mapping[str, Moment]) -> None:
        """The inverse of `read_state`; writing "master" also sets the weights that the model runs on.

        Args:
            values: whole tensors by name; each is looked up once, so that a mapping may read it from a file then.
        """
        for name, parameter in self.parameters.items():
            value = values[name]
            if not isinstance(value, QuantizedMoment):
                value = value.to(self.processes.device, torch.float32)
            self._backend.write(parameter, kind, value)
            if kind == "master":
                self._set_weight(parameter, value)

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Runs the model on the EMA inside; on the trained weights again outside. Every process must enter."""
        self._set_weights("ema")
        try:
            yield
        finally:
            self._set_weights("master")

    def _set_weights(self, kind: str) -> None:
        for parameter in self.parameters.values():
            self._set_weight(parameter, self._backend.read(parameter, kind))

    def _set_weight(self, parameter: nn.Parameter, value: Moment) -> None:
        with self._backend.whole([parameter], writes=True), torch.no_grad():
            parameter.copy_(in_fp32(value))


def attention_for(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Within it, attention is computed by the implementation of PyTorch's that suits a device and a dtype.

    On CPUs the fused one is slow to differentiate in bfloat16; written out, a step takes half the time.
    """
    if device.type == "cpu" and dtype == torch.bfloat16:
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


class GradientWatch:
    """Finds the micro-batches of this process whose gradients are not finite, before they are mixed with others.

    Args:
        parameters: the trained ones.
        device: theirs.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], device: torch.device) -> None:
        self.turn = 0
        self._bad = torch.zeros(1, dtype=torch.bool, device=device)
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._look)

    def start(self, micro_batches: int) -> None:
        """Before the first backward pass of a step."""
        self._bad = torch.zeros(micro_batches, dtype=torch.bool, device=self._bad.device)

    def _look(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self._bad[self.turn] |= ~parameter.grad.sum(dtype=torch.float32).isfinite()

    def bad_turns(self) -> list[int]:
        """Numbers of the micro-batches whose gradients are not finite, in this process."""
        return [turn for turn, bad in enumerate(self._bad.tolist()) if bad]


def _micro_batches(config: TrainConfig, processes: int) -> int:
    size, micro = config.optimizer.batch_size, config.optimizer.micro_batch_size
    if size % (micro * processes):
        raise UserError(
            f"optimizer.batch_size={size} cannot be spread over {processes} processes in micro-batches of {micro}: "
            f"make it a multiple of {micro * processes}."
        )
    return size // (micro * processes)
