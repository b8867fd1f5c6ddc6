"""One run: all sections together."""

import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from exvideo_train.config.data import DataSection
from exvideo_train.config.keys import Here, Mark, Section
from exvideo_train.config.model import (
    ExtensionSection,
    LossSection,
    ModelSection,
    NoiseAugmentationSection,
    NoiseSection,
    TimeNoiseSection,
)
from exvideo_train.config.optimizer import DeepSpeedSection, DistributedSection, EngineSection, OptimizerSection
from exvideo_train.config.watch import CheckpointSection, SamplesSection, TrackingSection, ValidationSection

Name = Annotated[str, AfterValidator(os.path.expanduser)]  # a folder, or an id on a hub


class TrainConfig(Section):
    """One training run. `conditioning_dropout` is the share of samples without first frame and tokens, for guidance.

    Without a `base`, one of the shape of `model` is made.
    """

    base: Annotated[Name | None, Mark.FREE] = None  # its weights are compared
    base_variant: Annotated[str | None, Mark.FREE] = None  # of its files: "fp16" for model.fp16.safetensors
    base_pipeline: str | None = None  # class of diffusers that it is loaded as, where its weights serve several
    base_expert: str | None = None  # of a mixture of experts, each for its own noise levels, the one extended
    init_from: Annotated[Name | None, Mark.FREE] = None  # likewise
    output: Annotated[Here, Mark.FREE]
    seed: Annotated[int, Field(ge=0, lt=2**31), Mark.CHANGEABLE] = 0
    model: ModelSection | None = None
    extension: ExtensionSection
    data: DataSection
    noise: NoiseSection = NoiseSection()
    noise_augmentation: NoiseAugmentationSection = NoiseAugmentationSection()
    time_noise: TimeNoiseSection = TimeNoiseSection()
    loss: LossSection = LossSection()
    conditioning_dropout: Annotated[float, Field(ge=0, lt=1), Mark.CHANGEABLE] = 0.0
    optimizer: OptimizerSection
    engine: EngineSection = EngineSection()
    validation: Annotated[ValidationSection | None, Mark.FREE] = None
    samples: Annotated[SamplesSection | None, Mark.FREE] = None
    checkpoint: Annotated[CheckpointSection, Mark.FREE] = CheckpointSection()
    tracking: Annotated[TrackingSection, Mark.FREE] = TrackingSection()
    distributed: Annotated[DistributedSection, Mark.FREE] = DistributedSection()
    deepspeed: Annotated[DeepSpeedSection, Mark.FREE] = DeepSpeedSection()

    @model_validator(mode="after")
    def _has_a_base(self) -> Self:
        if self.base is None and not self.is_from_scratch:
            raise ValueError(
                "base is missing: give a folder or a hub id, or model.hidden_dim and model.num_layers for a new one"
            )
        return self

    @property
    def is_from_scratch(self) -> bool:
        """True if there is no base yet: one of the shape of `model` is made, and trained with the extension."""
        return self.base is None and self.model is not None and self.model.is_shape

    @model_validator(mode="after")
    def _has_state_in_8_bits(self) -> Self:
        if self.optimizer.kind == "adamw_8bit" and self.engine.zero_stage > 0:
            raise ValueError(
                f"optimizer.kind=adamw_8bit does not go with engine.zero_stage={self.engine.zero_stage}, whose state "
                "is cut at any number, inside of blocks that share a scale: set engine.zero_stage to 0, or choose adamw"
            )
        return self

    @model_validator(mode="after")
    def _has_one_noise_on_the_first_frame(self) -> Self:
        if self.noise_augmentation.variants and self.time_noise.maximum:
            raise ValueError(
                f"noise_augmentation.variants={self.noise_augmentation.variants} and "
                f"time_noise.maximum={self.time_noise.maximum} both put noise on the first frame, of which the network "
                "is told one strength: set one of them to 0"
            )
        return self

    @model_validator(mode="after")
    def _has_a_position_for_each_frame(self) -> Self:
        if self.clip_lengths[0] > self.extension.num_frames:
            raise ValueError(
                f"data.lengths has {self.clip_lengths[0]}, and extension.num_frames is {self.extension.num_frames}: "
                "give lengths of no more frames than that"
            )
        return self

    @model_validator(mode="after")
    def _leaves_the_base_frozen(self) -> Self:
        if self.engine.base_precision != "same" and (self.extension.level != "lora" or self.is_from_scratch):
            raise ValueError(
                f"engine.base_precision={self.engine.base_precision} goes with extension.level=lora on a given base "
                f"alone, not with extension.level={self.extension.level} or a new base: leave it at same"
            )
        return self

    @model_validator(mode="after")
    def _has_what_samples_begin_at(self) -> Self:
        if self.samples is not None and self.samples.begins_held_out and self.validation is None:
            raise ValueError(
                "samples.first_frames is held_out and there is no validation.videos: give that, or pictures, or null "
                "and prompts"
            )
        return self

    @model_validator(mode="after")
    def _samples_whole_models(self) -> Self:
        if self.samples is not None and self.base_expert is not None:
            raise ValueError(
                f"base_expert={self.base_expert} is one of several networks that make a clip together: leave samples "
                "out, and sample with the extensions of all, by exvideo-generate"
            )
        return self

    @property
    def clip_lengths(self) -> list[int]:
        """Lengths of clips in frames, from the longest on."""
        return self.data.lengths or [self.extension.num_frames]

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
