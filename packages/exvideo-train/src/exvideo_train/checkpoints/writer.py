"""Writing checkpoints beside training: the state is copied, and threads write it while the run goes on."""

import json
import os
import shutil
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import read_safetensors, write_safetensors
from torch import Tensor

from exvideo_train.atomic import as_output_error, check_space, sync_folder, write_json
from exvideo_train.checkpoints.checkpoint import FORMAT_VERSION, INDEX, list_checkpoints, sum_of
from exvideo_train.engine import STATE_KINDS, Engine
from exvideo_train.errors import OutputError
from exvideo_train.moments import to_file
from exvideo_train.state import TrainState

EXTENSION = "extension.safetensors"
EXPORTS = {EXTENSION: "ema", "extension-raw.safetensors": "master"}


@dataclass(frozen=True)
class Export:
    """All of an extension's file but the trained tensors.

    Args:
        trained: names of the trained tensors that are the extension's; others are a new base's.
        untrained: parameters that the level adapts and this run does not train, by name, fp32 on the CPU.
        metadata: the file's header.
    """

    trained: Collection[str]
    untrained: Mapping[str, Tensor]
    metadata: Mapping[str, str]


class CheckpointWriter:
    """Writes the checkpoints of a run; every process makes one, and calls its methods at the same points.

    Whole tensors are dealt over the processes, and each writes its own into a folder that all share. The main process
    gives the folder its name when all parts are there.

    Args:
        folder: of the run's checkpoints.
        engine: read at `save`.
        export: for the extension's files.
        identity: the run that the checkpoints belong to.
        clips: names of the clips that are trained on, and fingerprints.
        keep: the newest so many stay,
        keep_every: and those at multiples of this step; None for no others.
        asynchronous: False to have each checkpoint on the disk before the next step.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        export: Export,
        identity: Mapping[str, Any],
        clips: Mapping[str, str],
        *,
        keep: int,
        keep_every: int | None,
        asynchronous: bool,
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.export = export
        self.about = {"identity": dict(identity), "clips": dict(clips)}
        self.keep, self.keep_every = keep, keep_every
        self.asynchronous = asynchronous
        self.last_step: int | None = None  # of the last checkpoint that was begun
        self.last_time = time.monotonic()
        self._own = deal(engine.shapes, engine.processes.count)[engine.processes.rank]
        self._part: threading.Thread | None = None
        self._name: threading.Thread | None = None
        self._error: Exception | None = None
        self._given_up = threading.Event()

    @property
    def failed(self) -> bool:
        """True once this process could not write its part."""
        return self._error is not None

    def bytes_needed(self) -> int:
        """Bytes of a checkpoint on the disk."""
        trained = 4 * self.engine.num_parameters
        untrained = 4 * sum(tensor.numel() for tensor in self.export.untrained.values())
        return self.engine.state_bytes + len(EXPORTS) * (trained + untrained)

    def save(self, state: TrainState) -> None:
        """Copies the state and begins to write it, once the checkpoint before is on the disk.

        Raises:
            OutputError: the checkpoint before could not be written, or there is no room for this one; the same in
                every process.
        """
        self.finish()
        target = self.folder / f"step-{state.step:08d}"
        temporary = self.folder / f".{target.name}.tmp"
        self._agree(self._prepare(temporary) if self.engine.processes.is_main else None)
        tensors: dict[str, Tensor] = {}
        for kind in STATE_KINDS:
            for name, value in self.engine.read_state(kind):
                if name in self._own:
                    tensors |= to_file(kind, name, value)
        index = {"format_version": FORMAT_VERSION, **asdict(state), "optimizer_step": self.engine.optimizer_step}
        index |= {"written": time.time()} | self.about
        self._part = threading.Thread(target=self._write_part, args=[temporary, tensors], daemon=True)
        self._part.start()
        if self.engine.processes.is_main:
            self._name = threading.Thread(target=self._complete, args=[temporary, target, index], daemon=True)
            self._name.start()
        self.last_step, self.last_time = state.step, time.monotonic()
        if not self.asynchronous:
            self.finish()

    def finish(self) -> None:
        """Returns when the checkpoint that is being written, if any, is on the disk under its name.

        Raises:
            OutputError: it could not be written; the same in every process.
        """
        if self._part is None:
            return
        self._part.join()
        self._agree(self._error)  # before the main process waits for a part that will not come
        if self._name is not None:
            self._name.join()
        self._agree(self._error)
        self._part = self._name = None

    def give_up(self) -> None:
        """Stops waiting for parts of others: one has failed."""
        self._given_up.set()

    def _agree(self, error: Exception | None) -> None:
        own = None if error is None else str(as_output_error(error, self.folder))
        for rank, said in enumerate(self.engine.processes.gather(own)):
            if said is not None:
                self.give_up()
                raise OutputError(said if self.engine.processes.count == 1 else f"Rank {rank}: {said}")

    def _prepare(self, temporary: Path) -> Exception | None:
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            check_space(self.folder, self.bytes_needed())
        except (OSError, OutputError) as error:
            return error
        return None

    def _write_part(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        name = f"part-{self.engine.processes.rank:05d}.safetensors"
        try:
            write_safetensors(folder / name, tensors, {})
            write_json(folder / f".{name}.json", sum_of(folder / name))
        except Exception as error:
            self._error = error

    def _complete(self, temporary: Path, target: Path, index: dict[str, Any]) -> None:
        try:
            sums = self._wait_for_parts(temporary)
            if sums is None:
                return
            for name, kind in EXPORTS.items():
                self._export(temporary, name, kind)
                sums[name] = sum_of(temporary / name)
            write_json(temporary / INDEX, index | {"files": sums})
            sync_folder(temporary)
            _rename(temporary, target)
            self._remove_old()
        except Exception as error:
            self._error = error

    def _wait_for_parts(self, temporary: Path) -> dict[str, Any] | None:
        names = [f"part-{rank:05d}.safetensors" for rank in range(self.engine.processes.count)]
        while not all((temporary / f".{name}.json").is_file() for name in names):
            if self._given_up.wait(0.02) or self._error is not None:
                return None
        sums = {}
        for name in names:
            note = temporary / f".{name}.json"
            sums[name] = json.loads(note.read_text(encoding="utf-8"))
            note.unlink()
        return sums

    def _export(self, folder: Path, name: str, kind: str) -> None:
        tensors = dict(self.export.untrained)
        for part in sorted(folder.glob("part-*.safetensors")):
            stored, _ = read_safetensors(part)
            for key, value in stored.items():
                stored_kind, _, parameter = key.partition("/")
                if stored_kind == kind and parameter in self.export.trained:
                    tensors[parameter] = value
        write_safetensors(folder / name, tensors, self.export.metadata)

    def _remove_old(self) -> None:
        for old in list_checkpoints(self.folder)[: -self.keep]:
            step = int(old.name.removeprefix("step-"))
            if self.keep_every is None or step % self.keep_every:
                shutil.rmtree(old)


def deal(shapes: Mapping[str, torch.Size], processes: int) -> list[set[str]]:
    """The names of tensors that each process writes, so that all write about as many numbers."""
    hands: list[set[str]] = [set() for _ in range(processes)]
    loads = [0] * processes
    for name, shape in sorted(shapes.items(), key=lambda item: (-item[1].numel(), item[0])):
        lightest = loads.index(min(loads))
        hands[lightest].add(name)
        loads[lightest] += shape.numel()
    return hands


def _rename(temporary: Path, target: Path) -> None:
    """Gives a folder its name, in place of a damaged or older one that has it."""
    if target.exists():
        before = target.with_name(f".{target.name}.before.tmp")
        shutil.rmtree(before, ignore_errors=True)
        os.replace(target, before)
        os.replace(temporary, target)
        shutil.rmtree(before, ignore_errors=True)
    else:
        os.replace(temporary, target)
    sync_folder(target.parent)
