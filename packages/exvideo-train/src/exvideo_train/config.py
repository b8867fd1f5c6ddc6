"""The YAML that a person writes, checked whole before anything is loaded or written."""

import json
import os
from collections.abc import Sequence
from enum import Enum
from importlib.util import find_spec
from math import cos, pi
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from exvideo_blocks import LEVELS, POSITIONS, ExtensionConfig
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from exvideo_train.errors import UserError
from exvideo_train.yaml_keys import DuplicateKeyError, load_yaml

PositiveInt = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Here = Annotated[Path, AfterValidator(Path.expanduser)]  # `~` is the home folder
Sigmas = Annotated[list[Positive], Field(min_length=1)]


class Mark(Enum):
    """The part of a setting in the identity of a run; a setting without a mark must stay what it was."""

    FREE = "it decides no number of the run, beyond rounding"
    CHANGEABLE = "it decides numbers, and `--change` may set it in mid-run"


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
    """The clips that are trained on. Sizes in pixels, (height, width); strides in frames.

    More than `max_bad` files and clips that cannot be read stop the run; None for any number. Batches are made
    `prefetch` steps ahead, in threads.
    """

    videos: Annotated[Here, Mark.FREE]  # the clips' own bytes are compared
    size: tuple[PositiveInt, PositiveInt]
    clip_stride: PositiveInt = 16
    cache: Annotated[Here | None, Mark.FREE] = None
    max_bad: Annotated[Annotated[int, Field(ge=0)] | None, Mark.FREE] = None
    prefetch: Annotated[Annotated[int, Field(ge=0)], Mark.FREE] = 2


class NoiseSection(_Section):
    """The distribution of noise levels; a key that is left out is the base family's own.

    `karras` as published, `lognormal` with ln(sigma) ~ N(mean, std), or `discrete` timesteps of the base's scheduler.
    """

    distribution: Annotated[Literal["karras", "lognormal", "discrete"] | None, Mark.CHANGEABLE] = None
    mean: Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, Mark.CHANGEABLE] = None
    std: Annotated[Positive | None, Mark.CHANGEABLE] = None


class LossSection(_Section):
    """The loss of the network's answer; a key that is left out is the base family's own."""

    weighting: Literal["published", "edm"] | None = None
    target_scale: Positive | None = None


class OptimizerSection(_Section):
    """AdamW with a linear warm-up, then a constant rate or a decay. `batch_size` is that of all processes together."""

    steps: Annotated[PositiveInt, Mark.CHANGEABLE]
    batch_size: PositiveInt = 1
    micro_batch_size: Annotated[PositiveInt, Mark.FREE] = 1
    learning_rate: Annotated[Positive, Mark.CHANGEABLE] = 1e-5
    warmup_steps: Annotated[int, Field(ge=0), Mark.CHANGEABLE] = 0
    learning_rate_schedule: Annotated[Literal["constant", "linear", "cosine"], Mark.CHANGEABLE] = "constant"
    weight_decay: Annotated[NonNegative, Mark.CHANGEABLE] = 0.01
    max_grad_norm: Annotated[Positive, Mark.CHANGEABLE] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1), Mark.CHANGEABLE] = 0.999

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
    """The way it runs. `zero_stage` 0 keeps all optimizer state in every process, without DeepSpeed."""

    precision: Annotated[Literal["bf16", "fp32"], Mark.CHANGEABLE] = "bf16"
    zero_stage: Annotated[Literal[0, 1, 2, 3], Mark.FREE] = 2
    deterministic: Annotated[bool, Mark.FREE] = False
    gradient_checkpointing: Annotated[bool, Mark.FREE] = True
    attention_backend: Annotated[Literal["auto", "triton", "sdpa", "xformers"], Mark.FREE] = "auto"
    compile_blocks: Annotated[bool, Mark.FREE] = False

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if self.compile_blocks and self.zero_stage == 3:
            raise ValueError(
                "compile_blocks=true does not go with zero_stage=3, whose hooks gather parameters inside the blocks: "
                "choose stage 0, 1 or 2, or leave the blocks as they are"
            )
        return self


class ValidationSection(_Section):
    """Held-out loss: each clip at each sigma with fixed noise, every `every` steps, at the start and at the end."""

    videos: Here
    every: PositiveInt = 100
    sigmas: Sigmas = [1.0, 4.0, 20.0, 100.0]
    clip_stride: PositiveInt = 1_000_000
    max_clips: PositiveInt = 16


class CheckpointSection(_Section):
    """A resumable checkpoint every `every` steps, and every `minutes`.

    The newest `keep` stay, and those at multiples of `keep_every` steps. `asynchronous` ones are written beside the
    steps that follow.
    """

    every: PositiveInt = 100
    minutes: Positive | None = None
    keep: PositiveInt = 2
    keep_every: PositiveInt | None = None
    asynchronous: bool = True


class TrackingSection(_Section):
    """MLflow: a server's URI, or None for an SQLite file in the run's own folder."""

    experiment: Annotated[str, Field(min_length=1, max_length=500)] = "exvideo"
    uri: str | None = None
    system_metrics: bool = False
    registered_model: Annotated[str, Field(pattern=r"^[^/:.\s][^/:]*$")] | None = None

    @field_validator("system_metrics")
    @classmethod
    def _can_measure(cls, value: bool) -> bool:
        if value and find_spec("psutil") is None:
            raise ValueError("it needs the package psutil: `pip install psutil`, or leave it false")
        return value


class TrainConfig(_Section):
    """One training run. `conditioning_dropout` is the share of samples without first frame and tokens, for guidance."""

    base: Annotated[Annotated[str, AfterValidator(os.path.expanduser)], Mark.FREE]  # its weights are compared
    base_variant: Annotated[str | None, Mark.FREE] = None  # of its files: "fp16" for model.fp16.safetensors
    init_from: Annotated[Annotated[str, AfterValidator(os.path.expanduser)] | None, Mark.FREE] = None  # likewise
    output: Annotated[Here, Mark.FREE]
    seed: Annotated[int, Field(ge=0, lt=2**31), Mark.CHANGEABLE] = 0
    extension: ExtensionSection
    data: DataSection
    noise: NoiseSection = NoiseSection()
    loss: LossSection = LossSection()
    conditioning_dropout: Annotated[float, Field(ge=0, lt=1), Mark.CHANGEABLE] = 0.0
    optimizer: OptimizerSection
    engine: EngineSection = EngineSection()
    validation: Annotated[ValidationSection | None, Mark.FREE] = None
    checkpoint: Annotated[CheckpointSection, Mark.FREE] = CheckpointSection()
    tracking: Annotated[TrackingSection, Mark.FREE] = TrackingSection()

    @property
    def objective_settings(self) -> dict[str, Any]:
        """The settings of `exvideo_blocks.Family.objective`, None where the family's own hold."""
        return self.noise.model_dump() | self.loss.model_dump()

    @property
    def cache(self) -> Path:
        """Folder of the cached latents."""
        return self.data.cache or self.output / "latents"


def marked(mark: Mark, model: type[BaseModel] = TrainConfig, prefix: str = "") -> set[str]:
    """The settings that carry a mark, by dotted key; a marked section stands for all in it."""
    keys = set()
    for name, field in model.model_fields.items():
        if mark in field.metadata:
            keys.add(prefix + name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= marked(mark, field.annotation, f"{prefix}{name}.")
    return keys


def load_config(path: str | Path, changes: Sequence[str] = (), settings: Sequence[str] = ()) -> TrainConfig:
    """Reads and checks a YAML file.

    Args:
        path: of the file.
        changes: "section.key=value" each, in place of what the file has; the value as YAML has it. These are keys that
            may change in mid-run.
        settings: the same, of any key, as if the file had them.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing, given twice or has a wrong value; one
            sentence that names the file, each key, the value given and the rule.
    """
    values = read_values(path)
    for key, value in (parse_settings(settings) | parse_changes(changes)).items():
        section, _, name = key.rpartition(".")
        if section and values.get(section) is None:
            values[section] = {}
        inner = values[section] if section else values
        if isinstance(inner, dict):
            inner[name] = value
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: {'; '.join(_explain(item) for item in error.errors())}.") from error


def schema() -> str:
    """The JSON schema of the YAML file (draft 2020-12), for editors that complete and check as one types."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "exvideo-train"}
    return json.dumps(about | TrainConfig.model_json_schema() | {"title": "exvideo-train"}, indent=2)


def read_values(path: str | Path) -> dict[str, Any]:
    """The keys and values of a YAML file, not checked further; raises UserError as `load_config`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"{path} cannot be read ({reason}): give the path of a YAML file.") from error
    try:
        values = load_yaml(text)
    except DuplicateKeyError as error:
        raise UserError(f"{path}: {error}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values such as `base: folder`: configs/quickstart.yaml shows all.")
    return values


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Keys and values of "section.key=value".

    Raises:
        UserError: one is not of that form, or its value is not YAML.
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key or key.count(".") > 1:
            raise UserError(f"{setting}: give section.key=value, such as optimizer.steps=100.")
        if key in parsed:
            raise UserError(f"{setting}: {key} is given twice, and one value alone can hold: leave one out.")
        parsed[key] = _value(setting, text)
    return parsed


def parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Keys and values of `--change`.

    Raises:
        UserError: one is no "key=value", or its key may not be changed in mid-run.
    """
    parsed, changeable = {}, marked(Mark.CHANGEABLE)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or key not in changeable:
            raise UserError(
                f"--change {change}: give key=value, with a key that may change in mid-run: "
                f"{', '.join(sorted(changeable))}."
            )
        parsed[key] = _value(f"--change {change}", text)
    return parsed


def _value(given: str, text: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{given}: {text!r} is no value in YAML: give a number or a word.") from error


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
