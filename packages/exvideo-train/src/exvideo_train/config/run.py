"""One run: all sections together."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from exvideo_train.config.data import DataSection
from exvideo_train.config.keys import Here, Mark, Section
from exvideo_train.config.model import ExtensionSection, LossSection, NoiseSection
from exvideo_train.config.optimizer import EngineSection, OptimizerSection
from exvideo_train.config.watch import CheckpointSection, TrackingSection, ValidationSection


class TrainConfig(Section):
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
