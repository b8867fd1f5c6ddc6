"""The settings and the software that a run's figures come from."""

import json
import platform
import subprocess
from importlib import metadata
from typing import Any

import yaml

from exvideo_train.config import TrainConfig

_PACKAGES = (
    "torch", "deepspeed", "diffusers", "transformers", "triton", "mlflow",
    "exvideo-blocks", "exvideo-infer", "exvideo-train", "exvideo-eval",
)  # fmt: skip


def parameters(config: TrainConfig) -> dict[str, str]:
    """Every key of a configuration, `section.key`, and its value."""
    return {key: str(value) for key, value in _flat(config.model_dump(mode="json")).items()}


def resolved_yaml(config: TrainConfig) -> str:
    """The configuration with all defaults in their places."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def versions_json() -> str:
    """Versions of Python and of each package that takes part; null for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return json.dumps(found, indent=1)


def git_commit() -> str | None:
    """The commit that the working directory stands at; None outside of a repository, and without Git."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
