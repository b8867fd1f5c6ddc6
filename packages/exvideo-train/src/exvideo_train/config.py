"""The YAML that a person writes, checked whole before anything is loaded or written."""

from math import cos, pi
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from exvideo_blocks import LEVELS, POSITIONS, ExtensionConfig
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from exvideo_train.errors import UserError

PositiveInt = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigmas = Annotated[list[Positive], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExtensionSection(_Section):
    """The extension to mount: `exvideo_blocks.ExtensionConfig`, key by key."""

    num_frames: Annotated[int, Field(ge=2)]
    level: str = "full"
    positions: str = "reflected"
    lora_rank: PositiveInt = 16
    base_frames: Annotated[int, Field(ge=2)] | None = None

    @field_validator("level", "positions")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        known = LEVELS if info.field_name == "level" else POSITIONS
        if value not in known:
            raise ValueError(f"choose one of {', '.join(known)}")
        return value

    @property
    def mounted(self) -> ExtensionConfig:
        """The same for exvideo-blocks."""
        return ExtensionConfig(**self.model_dump())


class DataSection(_Section):
    """The clips that are trained on. Sizes in pixels, (height, width); strides in frames."""

    videos: Path
    size: tuple[PositiveInt, PositiveInt]
    clip_stride: PositiveInt = 16
    cache: Path | None = None


class NoiseSection(_Section):
    """The distribution of noise levels; a key that is left out is the base family's own.

    `karras` as published, `lognormal` with ln(sigma) ~ N(mean, std), or `discrete` timesteps of the base's scheduler.
    """

    distribution: Literal["karras", "lognormal", "discrete"] | None = None
    mean: Annotated[float, Field(allow_inf_nan=False)] | None = None
    std: Positive | None = None


class LossSection(_Section):
    """The loss of the network's answer; a key that is left out is the base family's own."""

    weighting: Literal["published", "edm"] | None = None
    target_scale: Positive | None = None


class OptimizerSection(_Section):
    """AdamW with a linear warm-up, then a constant rate or a decay. `batch_size` is that of all processes together."""

    steps: PositiveInt
    batch_size: PositiveInt = 1
    micro_batch_size: PositiveInt = 1
    learning_rate: Positive = 1e-5
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    learning_rate_schedule: Literal["constant", "linear", "cosine"] = "constant"
    weight_decay: NonNegative = 0.01
    max_grad_norm: Positive = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999

    def learning_rate_at(self, step: int) -> float:
        """The rate of update `step`, from 0: it rises over `warmup_steps`, and a decay reaches 0 after the last one."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        done = max(0, step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + cos(pi * done)) / 2}[self.learning_rate_schedule]
        return self.learning_rate * warm * left

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size={self.batch_size} must be a multiple of micro_batch_size={self.micro_batch_size}"
            )
        return self


class EngineSection(_Section):
    """The way it runs. ZeRO stage 0 is not offered: in bf16 its losses differ from a plain fp32-master loop's."""

    precision: Literal["bf16", "fp32"] = "bf16"
    zero_stage: Literal[1, 2, 3] = 2
    gradient_checkpointing: bool = True
    attention_backend: Literal["auto", "triton", "sdpa", "xformers"] = "auto"
    compile_blocks: bool = False

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if self.compile_blocks and self.zero_stage == 3:
            raise ValueError(
                "compile_blocks=true does not go with zero_stage=3, whose hooks gather parameters inside the blocks: "
                "choose stage 1 or 2, or leave the blocks as they are"
            )
        return self


class ValidationSection(_Section):
    """Held-out loss: each clip at each sigma with fixed noise, every `every` steps, at the start and at the end."""

    videos: Path
    every: PositiveInt = 100
    sigmas: Sigmas = [1.0, 4.0, 20.0, 100.0]
    clip_stride: PositiveInt = 1_000_000
    max_clips: PositiveInt = 16


class CheckpointSection(_Section):
    """A resumable checkpoint every `every` steps; the newest `keep` stay."""

    every: PositiveInt = 100
    keep: PositiveInt = 2


class TrackingSection(_Section):
    """MLflow: a server's URI, or None for an SQLite file in the run's own folder."""

    experiment: str = "exvideo"
    uri: str | None = None


class TrainConfig(_Section):
    """One training run. `conditioning_dropout` is the share of samples without first frame and tokens, for guidance."""

    base: str
    output: Path
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    extension: ExtensionSection
    data: DataSection
    noise: NoiseSection = NoiseSection()
    loss: LossSection = LossSection()
    conditioning_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    optimizer: OptimizerSection
    engine: EngineSection = EngineSection()
    validation: ValidationSection | None = None
    checkpoint: CheckpointSection = CheckpointSection()
    tracking: TrackingSection = TrackingSection()

    @property
    def objective_settings(self) -> dict[str, Any]:
        """The settings of `exvideo_blocks.Family.objective`, None where the family's own hold."""
        return self.noise.model_dump() | self.loss.model_dump()

    @property
    def cache(self) -> Path:
        """Folder of the cached latents."""
        return self.data.cache or self.output / "latents"


def load_config(path: str | Path) -> TrainConfig:
    """Reads and checks a YAML file.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or has a wrong value; one sentence
            that names the file, each key, the value given and the rule.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"{path} cannot be read ({reason}): give the path of a YAML file.") from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values such as `base: folder`: configs/quickstart.yaml shows all.")
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: {'; '.join(_explain(item) for item in error.errors())}.") from error


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{key} is not a known key, check its spelling"
    if item["type"] == "missing":
        return f"{key} is missing"
    rule = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], dict):
        return f"{key}: {rule}"
    return f"{key}: {item['input']!r} is refused, {rule[0].lower()}{rule[1:]}"
