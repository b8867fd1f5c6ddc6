"""Post-tunes an extended video diffusion model on long clips: `exvideo-train --config x.yaml`, or from a program:

    from exvideo_train import load_config, train

    extension_file = train(load_config("x.yaml"))

Nothing heavy is imported before one of these names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exvideo_train.config import TrainConfig as TrainConfig
    from exvideo_train.config import load_config as load_config
    from exvideo_train.errors import OtherProcessError as OtherProcessError
    from exvideo_train.errors import OutputError as OutputError
    from exvideo_train.errors import TrainingDivergedError as TrainingDivergedError
    from exvideo_train.errors import TrainingStoppedError as TrainingStoppedError
    from exvideo_train.errors import UserError as UserError
    from exvideo_train.run import train as train

__version__ = "0.1.0"

_HOMES = {
    "OtherProcessError": "errors",
    "OutputError": "errors",
    "TrainConfig": "config",
    "TrainingDivergedError": "errors",
    "TrainingStoppedError": "errors",
    "UserError": "errors",
    "load_config": "config",
    "train": "run",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
