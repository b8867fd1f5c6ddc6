"""The settings of a run as a person reads them: every key, its value, and the place that the value comes from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from exvideo_train.config import TrainConfig, written_settings


def described(config: TrainConfig, path: str | Path, changes: Sequence[str] = (), settings: Sequence[str] = ()) -> str:
    """YAML that gives the same run, each value with its origin: the file, the command line, or the default.

    Args:
        config: as `load_config(path, changes, settings)` gave it.
        path, changes, settings: the same.
    """
    written = written_settings(path, changes, settings)

    def origin(key: str) -> str:
        if key not in written.places:
            return "default"
        name = written.names[key]
        return written.places[key] if name == key else f"{written.places[key]}: {name}"

    return "\n".join(_lines(config.model_dump(mode="json"), origin)) + "\n"


def _lines(values: dict[str, Any], origin: Any, prefix: str = "") -> list[str]:
    lines = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            lines += [f"{name}:", *(f"  {line}" for line in _lines(value, origin, f"{key}."))]
        else:
            text = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
            lines.append(f"{name}: {text} # {origin(key)}")
    return lines
