"""The parts that sections of a configuration are made of: kinds of values, and marks for the identity of a run."""

from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Here = Annotated[Path, AfterValidator(Path.expanduser)]  # `~` is the home folder
Sigmas = Annotated[list[Positive], Field(min_length=1)]


class Mark(Enum):
    """The part of a setting in the identity of a run; a setting without a mark must stay what it was."""

    FREE = "it decides no number of the run, beyond rounding"
    CHANGEABLE = "it decides numbers, and `--change` may set it in mid-run"


class Section(BaseModel):
    """Keys of the YAML file that belong together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
