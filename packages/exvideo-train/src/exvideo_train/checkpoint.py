"""Checkpoints that any number of processes, at any ZeRO stage, can resume from: safetensors and JSON, no pickle.

    checkpoints/step-00000100/
        master.safetensors  exp_avg.safetensors  exp_avg_sq.safetensors  ema.safetensors   fp32, trained tensors only
        state.json                                                                        step, and what it belongs to

All else that a run needs is a function of the step: order of clips, noise, learning rate.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import Objective, read_safetensors, write_safetensors
from torch import Tensor

from exvideo_train.config import TrainConfig
from exvideo_train.engine import STATE_KINDS, Engine
from exvideo_train.errors import UserError
from exvideo_train.state import TrainState

FORMAT_VERSION = 1
# The loss of checkpoints that do not say it: they were written before it could be chosen.
_LOSS_BEFORE = {"weighting": "published", "target_scale": 1.01}
# What may differ between the run that wrote a checkpoint and the one that resumes it without changing a result.
_FREE_TO_CHANGE = ("base", "output", "checkpoint", "tracking", "validation")


def identity_of(config: TrainConfig, objective: Objective, base: str, data: str) -> dict[str, Any]:
    """The run that a checkpoint belongs to: the settings that decide its numbers, and fingerprints of base and data."""
    settings = config.model_dump(mode="json", exclude=set(_FREE_TO_CHANGE))
    for section in ("noise", "loss"):  # the family's own values stand where the configuration leaves them open
        settings[section] = {key: getattr(objective, key, value) for key, value in settings[section].items()}
    settings["base"] = {"weights": base}
    settings["data"] = {
        "size": settings["data"]["size"],
        "clip_stride": settings["data"]["clip_stride"],
        "content": data,
    }
    for free in ("steps", "micro_batch_size"):
        if free == "steps" and config.optimizer.learning_rate_schedule != "constant":
            continue  # a decay's rates follow from the number of steps
        del settings["optimizer"][free]
    for free in ("zero_stage", "gradient_checkpointing", "attention_backend", "compile_blocks"):
        del settings["engine"][free]
    if config.extension.level != "lora":
        del settings["extension"]["lora_rank"]  # decides nothing, and checkpoints of before it was a key lack it
    if not config.conditioning_dropout:
        del settings["conditioning_dropout"]  # likewise
    return settings


def save_checkpoint(folder: Path, keep: int, engine: Engine, state: TrainState, identity: dict[str, Any]) -> None:
    """Writes a checkpoint and removes all but the newest `keep`; every process must call, the first one writes.

    The folder gets its name only when it is whole.
    """
    target = folder / f"step-{state.step:08d}"
    temporary = folder / f".{target.name}.tmp"
    is_main = engine.processes.is_main
    if is_main:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    for kind in STATE_KINDS:
        values = engine.read_state(kind)
        if is_main:
            write_safetensors(temporary / f"{kind}.safetensors", values, {})
    if is_main:
        content = {"format_version": FORMAT_VERSION, **asdict(state), "optimizer_step": engine.optimizer_step}
        (temporary / "state.json").write_text(json.dumps(content | {"identity": identity}, indent=1))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
        for old in _checkpoints(folder)[:-keep]:
            shutil.rmtree(old)
    engine.processes.wait()


def find_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run."""
    return next(reversed(_checkpoints(folder)), None)


def read_state_json(checkpoint: Path, identity: dict[str, Any]) -> tuple[TrainState, int]:
    """The state of a checkpoint and its optimizer's step.

    Raises:
        UserError: the checkpoint is damaged, of another format, or of a run whose settings or data were others.
    """
    path = checkpoint / "state.json"
    try:
        content = json.loads(path.read_text())
        state, optimizer_step = TrainState(step=content["step"]), int(content["optimizer_step"])
        version, before = content["format_version"], content["identity"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): remove the folder {checkpoint} to resume before it."
        ) from error
    if version != FORMAT_VERSION:
        raise UserError(
            f"{checkpoint} has format {version}, this version reads {FORMAT_VERSION}: choose another output."
        )
    differing = _differences({"loss": _LOSS_BEFORE} | before, identity)
    if differing:
        what = ", ".join(f"{key} was {old!r}, is {new!r}" for key, (old, new) in differing.items())
        raise UserError(f"{checkpoint} belongs to another run ({what}): choose another output, or set it back.")
    return state, optimizer_step


def read_tensors(checkpoint: Path, kind: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """One of `STATE_KINDS` of a checkpoint.

    Raises:
        UserError: the file is damaged, or has other tensors than the model.
    """
    path = checkpoint / f"{kind}.safetensors"
    try:
        values, _ = read_safetensors(path)
    except ValueError as error:
        raise UserError(f"{error} Or remove the folder {checkpoint} to resume before it.") from error
    if {name: value.shape for name, value in values.items()} != dict(shapes):
        raise UserError(f"{path} has other tensors than this model trains: choose another output.")
    return values


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def _differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    differing: dict[str, tuple[Any, Any]] = {}
    for key in sorted(set(before) | set(now)):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            differing |= _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            differing[prefix + key] = (old, new)
    return differing
