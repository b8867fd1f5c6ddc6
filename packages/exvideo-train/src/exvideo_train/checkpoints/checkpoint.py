"""Checkpoints that any number of processes, at any ZeRO stage, can resume from: safetensors and JSON, no pickle.

    checkpoints/step-00000100/
        part-00000.safetensors ...         fp32 tensors "master/NAME", "exp_avg/NAME", "exp_avg_sq/NAME", "ema/NAME",
                                           dealt over the processes that wrote them; trained tensors only. Moments
                                           in 8 bits are "exp_avg.codes/NAME", "exp_avg.scales/NAME" ...
        extension.safetensors              the EMA, as `exvideo-generate --extension` takes it
        extension-raw.safetensors          the weights themselves, likewise
        state.json                         step, the run that it belongs to, and size and sha256 of each file above

All else that a run needs is a function of the step: order of clips, noise, learning rate.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exvideo_train.engine import STATE_KINDS, Engine
from exvideo_train.errors import UserError
from exvideo_train.loss_scale import LossScale
from exvideo_train.moments import Moment, QuantizedMoment
from exvideo_train.state import TrainState

FORMAT_VERSION = 2  # 1 had a file a kind, and no sums
INDEX = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole.

    Args:
        folder: its own.
        index: the content of its state.json.
    """

    folder: Path
    index: dict[str, Any]

    @property
    def state(self) -> TrainState:
        step = self.index["step"]
        validated = self.index.get("validated", step)  # format 1 was written after the evaluation
        losses, history = (list(self.index.get(name, [])) for name in ("losses", "history"))
        return TrainState(step, validated, losses, history, LossScale(**self.index.get("loss_scale", {})))

    def restore(self, engine: Engine) -> None:
        """Writes masters, moments, EMA and AdamW's count into an engine; every process must call.

        Raises:
            UserError: the checkpoint has other tensors than the engine trains.
        """
        for kind in STATE_KINDS:
            with StoredTensors(self, kind, engine.shapes) as tensors:
                engine.write_state(kind, tensors)
        engine.optimizer_step = int(self.index["optimizer_step"])


class StoredTensors(Mapping[str, Moment]):
    """One of `STATE_KINDS` of a checkpoint, each tensor read when it is asked for; to be entered.

    Raises:
        UserError: at entry; the files have other tensors than `shapes`.
    """

    def __init__(self, checkpoint: Checkpoint, kind: str, shapes: Mapping[str, torch.Size]) -> None:
        self._folder = checkpoint.folder
        self._kind = kind
        self._shapes = dict(shapes)
        self._old = checkpoint.index["format_version"] == 1
        self._files: list[Any] = []
        self._homes: dict[str, dict[str, tuple[Any, str]]] = {}  # of each name, of each part of a moment in 8 bits

    def __enter__(self) -> "StoredTensors":
        paths = [self._folder / f"{self._kind}.safetensors"] if self._old else self._folder.glob("part-*.safetensors")
        try:
            self._files = [safe_open(str(path), framework="pt", device="cpu") for path in sorted(paths)]
        except (SafetensorError, OSError) as error:
            raise UserError(f"{self._folder} is damaged ({error}): remove it to resume before it.") from error
        for file in self._files:
            for key in file.keys():  # noqa: SIM118 not a dict
                before, _, name = (f"{self._kind}/{key}" if self._old else key).partition("/")
                kind, _, part = before.partition(".")
                if kind == self._kind:
                    self._homes.setdefault(name, {})[part] = (file, key)
        found = {}
        for name, parts in self._homes.items():
            file, key = parts["codes" if "codes" in parts else ""]
            found[name] = torch.Size(file.get_slice(key).get_shape())
        if found != self._shapes:
            raise UserError(f"{self._folder} has other tensors than this model trains: choose another output.")
        return self

    def __exit__(self, *_: object) -> None:
        self._files, self._homes = [], {}

    def __getitem__(self, name: str) -> Moment:
        tensors: dict[str, Tensor] = {part: file.get_tensor(key) for part, (file, key) in self._homes[name].items()}
        return tensors[""] if "" in tensors else QuantizedMoment(**tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def newest_checkpoint(folder: Path, report: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint of a run that is whole; None if the run has none.

    Args:
        folder: of the run's checkpoints.
        report: told of each one that is damaged and passed over.

    Raises:
        UserError: there are some, and none is whole; or the newest has a format of another version.
    """
    checkpoints = list_checkpoints(folder)
    for path in reversed(checkpoints):
        try:
            return _read(path)
        except _DamagedError as error:
            report(f"{path} is damaged ({error}), so the one before it is tried.")
    if checkpoints:
        raise UserError(
            f"None of the {len(checkpoints)} checkpoints in {folder} is whole: copy one there again, or remove them "
            "all to start anew."
        )
    return None


def list_checkpoints(folder: Path) -> list[Path]:
    """The folders of a run's checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def sum_of(path: Path) -> dict[str, Any]:
    """Size in bytes and sha256 of a file, as the index has them."""
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


class _DamagedError(Exception):
    pass


def _read(folder: Path) -> Checkpoint:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        version, sums = index["format_version"], index.get("files", {})
        index["step"], index["optimizer_step"], index["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _DamagedError(f"{INDEX}: {error}") from error
    if version not in (1, FORMAT_VERSION):
        raise UserError(
            f"{folder} has format {version}, this version reads 1 and {FORMAT_VERSION}: choose another output."
        )
    for name, noted in sums.items():
        path = folder / name
        if not path.is_file():
            raise _DamagedError(f"{name} is missing")
        if path.stat().st_size != noted["size"]:
            raise _DamagedError(f"{name} has {path.stat().st_size} bytes, {noted['size']} were written")
        if sum_of(path)["sha256"] != noted["sha256"]:
            raise _DamagedError(f"{name} has other bytes than were written")
    if version == 1:
        _check_old(folder)
    return Checkpoint(folder, index)


def _check_old(folder: Path) -> None:
    for kind in STATE_KINDS:
        try:
            with safe_open(str(folder / f"{kind}.safetensors"), framework="pt", device="cpu"):
                pass
        except (SafetensorError, OSError) as error:
            raise _DamagedError(f"{kind}.safetensors: {error}") from error
