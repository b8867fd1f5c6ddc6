"""Features of all files of a folder under one rule, in batches, from a cache where they are known."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.execution import Execution
from exvideo_eval.features.published.loading import LoadedNetwork
from exvideo_eval.folder import clip_name, list_files
from exvideo_eval.machine import versions_of_measuring
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.protocols.cache import FeatureCache, FileFeatures
from exvideo_eval.protocols.definition import FRAME, FeatureRule
from exvideo_eval.protocols.frames import RANDOM
from exvideo_eval.protocols.reading import read_input
from exvideo_eval.result_parts import Skipped
from exvideo_eval.video_reader import VideoReadError, digest

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

_NOT_FINITE = "has features that are not finite: look at it, or take another network"
_CACHE = "published"  # its folder inside that of the evaluation's cache


@dataclass(frozen=True)
class SetFeatures:
    """Features of the usable files of one set, in the order of their names.

    Args:
        files: relative to the folder.
        features: of each file: (1, dimension) of a clip, (frames, dimension) of its pictures; read from the cache,
            where there is one, as they are asked for.
        num_frames: of each file.
        sha256: of the files' names and contents.
        skipped: files that could not be used, and why.
    """

    role: str
    folder: Path
    files: tuple[str, ...]
    features: FileFeatures
    num_frames: tuple[int, ...]
    sha256: str
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Known:
    """Of one file: its content, and its features or the reason why there are none."""

    content: str
    features: Array | Path | None = None  # or the place in the cache where they are
    num_frames: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Extractor:
    """Runs one network over folders.

    Args:
        seed: of random starts.
        execution: cache, threads, processes and the size of a batch: of clips, or of a clip's pictures.
    """

    rule: FeatureRule
    network: LoadedNetwork
    seed: int = 0
    execution: Execution = field(default_factory=Execution)

    def __call__(self, role: str, folder: Path) -> SetFeatures:
        """Features of a folder's files; those that cannot be used are named in the result, and by the main process.

        Of several processes, each computes its share into the cache, and waits for the others.

        Raises:
            ValueError: no such folder, nothing in it, or a network that answers in another shape.
        """
        paths, processes = list_files(role, folder), self.execution.processes
        known = self._known(role, folder, processes.share(paths))
        if processes.size > 1:
            processes.wait()
            if processes.is_main:
                known |= self._known(role, folder, [path for path in paths if path not in known])
        found = _collected(role, folder, {path: known[path] for path in paths if path in known})
        if processes.is_main:
            for item in found.skipped:
                logger.warning("skipped %s: %s", item.file, item.reason)
        return found

    def _known(self, role: str, folder: Path, paths: Sequence[Path]) -> dict[Path, _Known]:
        """Of some files of a folder, so many at a time as make a batch."""
        size = self.execution.batch_size if self.rule.sample != FRAME else 1
        groups = [paths[start : start + size] for start in range(0, len(paths), size)]
        worker = _Worker(self, role, folder)
        found = self.execution.each(f"{self.network.name}, {role}: batches", worker, groups)
        return {path: known for group in found for path, known in group.items()}


def _collected(role: str, folder: Path, known: dict[Path, _Known]) -> SetFeatures:
    used = {path: file for path, file in known.items() if file.features is not None}
    skipped = [Skipped.of(path, file.reason) for path, file in known.items() if file.features is None]
    names = [path.relative_to(folder).as_posix() for path in used]
    listing = "".join(f"{name} {file.content}\n" for name, file in zip(names, used.values(), strict=True))
    return SetFeatures(
        role=role,
        folder=folder,
        files=tuple(names),
        features=FileFeatures([file.features for file in used.values() if file.features is not None]),
        num_frames=tuple(file.num_frames for file in used.values()),
        sha256=hashlib.sha256(listing.encode()).hexdigest(),
        skipped=tuple(skipped),
    )


@dataclass(frozen=True)
class _Ready:
    """A file whose features are still to be computed."""

    path: Path
    content: str
    pixels: Tensor
    num_frames: int


class _Worker:
    """Takes a few files at a time; threads may share it."""

    def __init__(self, extractor: Extractor, role: str, folder: Path) -> None:
        self.rule, self.network, self.seed = extractor.rule, extractor.network, extractor.seed
        self.role, self.folder, self.execution = role, folder, extractor.execution
        rules = {
            "rule": extractor.rule.sha256(role, extractor.network.sha256, extractor.seed),
            "device": torch.device(extractor.execution.device).type,
            "versions": versions_of_measuring(),
        }
        cache = extractor.execution.cache
        self.cache = None if cache is None else FeatureCache(cache / _CACHE, protocol_hash(rules))

    def __call__(self, paths: Sequence[Path]) -> dict[Path, _Known]:
        known: dict[Path, _Known] = {}
        ready: list[_Ready] = []
        for path in paths:
            item = self._read(path)
            if isinstance(item, _Ready):
                ready.append(item)
            else:
                known[path] = item
        for _, alike in groupby(ready, key=lambda item: item.pixels.shape):
            known |= self._computed(list(alike))
        return known

    def _read(self, path: Path) -> "_Known | _Ready":
        content, name = "", clip_name(self.folder, path)
        try:
            content = digest(path)
            stored = None if self.cache is None else self.cache.get(self._key(content, name))
            if stored is not None:
                return _Known(content, self._place(content, name) or stored[0].numpy(), stored[1])
            pixels, total = read_input(path, name, self.role, self.rule, self.seed)
        except VideoReadError as error:
            return _Known(content, reason=error.reason)
        return _Ready(path, content, pixels, total)

    def _computed(self, ready: Sequence[_Ready]) -> dict[Path, _Known]:
        """Of files whose inputs have one shape."""
        if self.rule.sample == FRAME:
            size = self.execution.batch_size
            answers: Iterable[Tensor] = [
                torch.cat([self._forward(batch) for batch in item.pixels.split(size)]) for item in ready
            ]
        else:
            answers = self._forward(torch.stack([item.pixels for item in ready])).split(1)
        known = {}
        for item, features in zip(ready, answers, strict=True):
            name = clip_name(self.folder, item.path)
            if not torch.isfinite(features).all():
                known[item.path] = _Known(item.content, reason=_NOT_FINITE)
                continue
            if self.cache is not None:
                self.cache.put(self._key(item.content, name), features, item.num_frames)
            place = self._place(item.content, name)
            known[item.path] = _Known(item.content, place or features.numpy(), item.num_frames)
        return known

    def _forward(self, batch: Tensor) -> Tensor:
        return self.network(batch, **dict(self.rule.call))

    def _place(self, content: str, name: str) -> Path | None:
        """Of pictures' features in the cache: there are many to a file. One vector a clip is kept at hand."""
        if self.cache is None or self.rule.sample != FRAME:
            return None
        return self.cache.path(self._key(content, name))

    def _key(self, content: str, name: str) -> str:
        """Of a file in the cache: a drawn start depends on its name as well."""
        return f"{content} {name}" if self.rule.frames.start(self.role) == RANDOM else content
