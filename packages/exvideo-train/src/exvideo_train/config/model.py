"""The model that is trained, as a person writes it: the extension on its base, and what its answer is judged by."""

from typing import Annotated, Literal

from exvideo_blocks import FRAME_RATES, LEVELS, STARTS, ExtensionConfig
from pydantic import Field, ValidationInfo, field_validator

from exvideo_train.config.keys import Mark, NonNegative, Positive, PositiveInt, Section


class ExtensionSection(Section):
    """The extension to mount: `exvideo_blocks.ExtensionConfig`, key by key."""

    num_frames: Annotated[int, Field(ge=2)]
    level: str = "full"
    positions: str = "reflected"
    lora_rank: PositiveInt = 16
    base_frames: Annotated[int, Field(ge=2)] | None = None
    frame_rate: str = "own"

    @field_validator("level", "positions", "frame_rate")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        known = {"level": LEVELS, "positions": STARTS, "frame_rate": FRAME_RATES}[str(info.field_name)]
        if value not in known:
            raise ValueError(f"choose one of {', '.join(known)}")
        return value

    @property
    def mounted(self) -> ExtensionConfig:
        """The same for exvideo-blocks."""
        return ExtensionConfig(**self.model_dump())


class ModelSection(Section):
    """The base's network: the shape of a new one, or what a pretrained one must have.

    Args:
        hidden_dim: channels of its widest level.
        num_layers: temporal sites, 16 in Stable Video Diffusion.
        dropout: share of the activations that training drops in the network's own dropout layers.
    """

    hidden_dim: Annotated[PositiveInt | None, Mark.FREE] = None  # the weights are compared
    num_layers: Annotated[PositiveInt | None, Mark.FREE] = None
    dropout: Annotated[float, Field(ge=0, lt=1), Mark.CHANGEABLE] = 0.0

    @property
    def is_shape(self) -> bool:
        """True if it says all of a shape."""
        return self.hidden_dim is not None and self.num_layers is not None


class NoiseSection(Section):
    """The distribution of noise levels; a key that is left out is the base family's own.

    `karras` as published, `lognormal` with ln(sigma) ~ N(mean, std), or `discrete` timesteps of the base's scheduler;
    of flows, `uniform` or `logitnormal` levels, with `shift` in place of the base scheduler's.
    """

    distribution: Annotated[
        Literal["karras", "lognormal", "discrete", "uniform", "logitnormal"] | None, Mark.CHANGEABLE
    ] = None
    mean: Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, Mark.CHANGEABLE] = None
    std: Annotated[Positive | None, Mark.CHANGEABLE] = None
    shift: Annotated[Positive | None, Mark.CHANGEABLE] = None


class NoiseAugmentationSection(Section):
    """Gaussian noise on the first frame that the network is told: of so many `variants` of each, 0 for none.

    The logarithm of its standard deviation, in pixels of [-1, 1], is normal; SVD's own mean and width.
    """

    variants: Annotated[Annotated[int, Field(ge=0)], Mark.CHANGEABLE] = 0
    mean: Annotated[Annotated[float, Field(allow_inf_nan=False)], Mark.CHANGEABLE] = -3.0
    std: Annotated[NonNegative, Mark.CHANGEABLE] = 0.5


class TimeNoiseSection(Section):
    """Noise on the latents of the first frame, the more the noisier the clip is: TimeNoise (arXiv 2406.15735).

    Its standard deviation is `maximum` times the logistic function of a normal number of mean 2 t^`exponent` - 1 and
    deviation `std`, where t is the clip's noise level as a share of `highest_level`, 1 at most. It is told to the
    network. 0 for none; the authors took 15 for Stable Video Diffusion, of whose latents a deviation is about 5.5.
    """

    maximum: Annotated[NonNegative, Mark.CHANGEABLE] = 0.0
    exponent: Annotated[Positive, Mark.CHANGEABLE] = 5.0
    std: Annotated[NonNegative, Mark.CHANGEABLE] = 1.0
    highest_level: Annotated[Positive, Mark.CHANGEABLE] = 700.0


class LossSection(Section):
    """The loss of the network's answer; a key that is left out is the base family's own."""

    weighting: Literal["published", "edm"] | None = None
    target_scale: Positive | None = None
