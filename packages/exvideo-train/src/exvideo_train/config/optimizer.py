"""The steps of a run, as a person writes them: the optimizer, and the engine that runs it."""

from importlib.util import find_spec
from math import ceil, cos, pi
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from exvideo_train.config.keys import Here, Mark, NonNegative, Positive, PositiveInt, Section


class OptimizerSection(Section):
    """AdamW with a linear warm-up, then a constant rate or a decay. `batch_size` is that of all processes together.

    `kind` adamw is PyTorch's, fused on GPUs; adamw_fused is so on CPUs, too; adamw_8bit is that of bitsandbytes.

    `weight_decay_on` matrices leaves norms, biases and position tables without decay.
    Either `steps` or `epochs` is given; `for_clips` makes epochs steps.
    """

    steps: Annotated[PositiveInt, Mark.CHANGEABLE] = 0  # none yet
    epochs: Annotated[Positive | None, Mark.FREE] = None  # as steps, in which it is compared
    kind: Annotated[Literal["adamw", "adamw_fused", "adamw_8bit"], Mark.CHANGEABLE] = "adamw"
    batch_size: PositiveInt = 1
    micro_batch_size: Annotated[PositiveInt, Mark.FREE] = 1
    learning_rate: Annotated[Positive, Mark.CHANGEABLE] = 1e-5
    warmup_steps: Annotated[int, Field(ge=0), Mark.CHANGEABLE] = 0
    learning_rate_schedule: Annotated[Literal["constant", "linear", "cosine"], Mark.CHANGEABLE] = "constant"
    weight_decay: Annotated[NonNegative, Mark.CHANGEABLE] = 0.01
    weight_decay_on: Annotated[Literal["all", "matrices"], Mark.CHANGEABLE] = "all"
    max_grad_norm: Annotated[Positive, Mark.CHANGEABLE] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1), Mark.CHANGEABLE] = 0.999

    def learning_rate_at(self, step: int) -> float:
        """The rate of update `step`, from 0: it rises over `warmup_steps`, and a decay reaches 0 after the last one."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        done = max(0, step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + cos(pi * done)) / 2}[self.learning_rate_schedule]
        return self.learning_rate * warm * left

    def for_clips(self, clips: int) -> Self:
        """The same in steps: so many that every one of `clips` training clips comes `epochs` times, at least.

        Where clips are in several buckets, up to a batch of each is still to come by then.
        """
        if self.epochs is None:
            return self
        return self.model_copy(update={"steps": ceil(self.epochs * clips / self.batch_size), "epochs": None})

    @field_validator("kind")
    @classmethod
    def _is_installed(cls, value: str) -> str:
        if value == "adamw_8bit" and find_spec("bitsandbytes") is None:
            raise ValueError("it needs the package bitsandbytes: `pip install exvideo-train[8bit]`, or choose adamw")
        return value

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if (self.steps == 0) == (self.epochs is None):
            given = "neither" if self.epochs is None else f"both steps={self.steps} and epochs={self.epochs:g}"
            raise ValueError(f"{given} is given: give either steps or epochs")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size={self.batch_size} must be a multiple of micro_batch_size={self.micro_batch_size}"
            )
        return self


class EngineSection(Section):
    """The way it runs. `zero_stage` 0 keeps all optimizer state in every process, without DeepSpeed.

    `offload_optimizer` keeps masters, moments and EMA in main memory, and updates them there. `base_precision` is that
    of the frozen linear layers, at level lora.

    `gradient_checkpointing` is of all blocks (also: true), of the temporal ones, or of none (also: false).
    """

    precision: Annotated[Literal["bf16", "fp32", "fp16"], Mark.CHANGEABLE] = "bf16"
    base_precision: Annotated[Literal["same", "fp8", "nf4"], Mark.CHANGEABLE] = "same"
    zero_stage: Annotated[Literal[0, 1, 2, 3], Mark.FREE] = 2
    deterministic: Annotated[bool, Mark.FREE] = False
    gradient_checkpointing: Annotated[Literal["all", "temporal", "none"] | bool, Mark.FREE] = "all"
    attention_backend: Annotated[Literal["auto", "triton", "sdpa", "xformers"], Mark.FREE] = "auto"
    compile_blocks: Annotated[bool, Mark.FREE] = False
    offload_optimizer: Annotated[bool, Mark.FREE] = False

    @field_validator("gradient_checkpointing")
    @classmethod
    def _in_words(cls, value: str | bool) -> str | bool:
        return {True: "all", False: "none"}[value] if isinstance(value, bool) else value

    @field_validator("base_precision")
    @classmethod
    def _has_bits(cls, value: str) -> str:
        if value == "nf4" and find_spec("bitsandbytes") is None:
            raise ValueError("it needs the package bitsandbytes: `pip install exvideo-train[8bit]`, or choose fp8")
        return value

    @model_validator(mode="after")
    def _scales_the_loss(self) -> Self:
        if self.precision == "fp16" and self.zero_stage > 0:
            raise ValueError(
                f"precision=fp16 does not go with zero_stage={self.zero_stage}, which leaves steps out without a word: "
                "set zero_stage to 0, or precision to bf16"
            )
        return self

    @model_validator(mode="after")
    def _quantizes(self) -> Self:
        if self.base_precision != "same" and (self.zero_stage > 0 or self.compile_blocks):
            raise ValueError(
                f"base_precision={self.base_precision} does not go with zero_stage={self.zero_stage}, "
                f"compile_blocks={self.compile_blocks}, as weights in few bits are neither cut nor compiled: set "
                "zero_stage to 0 and compile_blocks to false"
            )
        return self

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if self.compile_blocks and self.zero_stage == 3:
            raise ValueError(
                "compile_blocks=true does not go with zero_stage=3, whose hooks gather parameters inside the blocks: "
                "choose stage 0, 1 or 2, or leave the blocks as they are"
            )
        return self


# DeepSpeed's settings of ZeRO that decide how fast it runs, and no number.
ZERO_KEYS = {
    "allgather_bucket_size",
    "allgather_partitions",
    "contiguous_gradients",
    "overlap_comm",
    "reduce_bucket_size",
    "reduce_scatter",
    "round_robin_gradients",
    "stage3_max_live_parameters",
    "stage3_max_reuse_distance",
    "stage3_param_persistence_threshold",
    "stage3_prefetch_bucket_size",
    "sub_group_size",
}


class DistributedSection(Section):
    """The processes of the run, which a launcher starts. `enabled` false refuses more than one.

    `backend` is that of their collectives: auto is nccl on GPUs, and gloo without.
    """

    enabled: bool = True
    backend: Literal["auto", "nccl", "gloo"] = "auto"


class DeepSpeedSection(Section):
    """A JSON file of DeepSpeed's settings.

    Its batch sizes, clipping, precision and ZeRO stage become settings of the other sections where those have none of
    their own. `zero_optimization` is filled from it: bucket sizes and the like, which decide no number.
    """

    config_path: Here | None = None
    zero_optimization: dict[str, bool | int] = Field(default={})

    @field_validator("zero_optimization")
    @classmethod
    def _known(cls, value: dict[str, bool | int]) -> dict[str, bool | int]:
        unknown = sorted(value.keys() - ZERO_KEYS)
        if unknown:
            raise ValueError(f"{unknown[0]} is none of {', '.join(sorted(ZERO_KEYS))}")
        return value
