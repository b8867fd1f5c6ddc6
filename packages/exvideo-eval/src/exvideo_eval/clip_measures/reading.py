"""Values of every clip of a folder, by several measures at once, from a cache where they are known."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.clip_measures.catalogue import ClipMeasure
from exvideo_eval.clip_set import REAL
from exvideo_eval.execution import Execution
from exvideo_eval.folder import list_files, nothing_usable
from exvideo_eval.machine import versions_of_measuring
from exvideo_eval.metrics.unfit_clip import UnfitClipError
from exvideo_eval.pairs import source_of
from exvideo_eval.plan import ClipPlan
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.protocols.cache import FeatureCache
from exvideo_eval.result_parts import Skipped
from exvideo_eval.video_reader import RESIZING, Decoding, VideoReadError, digest, frame_rate, iter_clips

Array = NDArray[np.float64]

_CACHE = "clip_measures"  # its folder inside that of the evaluation's cache


@dataclass(frozen=True)
class SetValues:
    """Of one set and one measure: `values` (clips, quantities), the source file of each, and the files left out."""

    values: Array
    sources: tuple[str, ...]
    sha256: str
    skipped: tuple[Skipped, ...]


def measure_protocol(measure: ClipMeasure, plan: ClipPlan) -> dict[str, Any]:
    """All that a measure's numbers depend on but for the clips and the network, as plain JSON values."""
    of_pairs = () if measure.pairing is None else (measure.pairing.quantity,)
    return {
        "source": measure.source,
        "rule": measure.rule,
        "quantities": [asdict(quantity) for quantity in (*measure.quantities, *of_pairs)],
        "frames": plan.num_frames,
        "size": list(plan.size),
        "resizing": RESIZING,
    }


@dataclass(frozen=True)
class ClipReader:
    """Measures the clips of folders, cut as for other measures: of real files all, of others the first.

    Args:
        measures: by name, with the networks that they go by, by these networks' names.
    """

    measures: Mapping[str, ClipMeasure]
    networks: Mapping[str, Any]
    plan: ClipPlan
    execution: Execution = field(default_factory=Execution)

    def __call__(self, role: str, folder: Path) -> dict[str, SetValues]:
        """The values of a folder's clips by measure; of several processes, each measures its share into the cache.

        Raises:
            ValueError: no such folder, no usable file in it, or clips that a measure cannot be of.
        """
        paths, processes = list_files(role, folder), self.execution.processes
        known = self._all(role, processes.share(paths))
        if processes.size > 1:
            processes.wait()
            known |= self._all(role, [path for path in paths if path not in known]) if processes.is_main else {}
        found = {path: known[path] for path in paths if path in known}
        return {name: self._joined(name, role, folder, found) for name in self.measures} if processes.is_main else {}

    def _all(self, role: str, paths: Sequence[Path]) -> dict[Path, "_File"]:
        what = f"{', '.join(self.measures)}, {role}"
        return dict(zip(paths, self.execution.each(what, lambda path: self._file(role, path), paths), strict=True))

    def _joined(self, measure: str, role: str, folder: Path, found: Mapping[Path, "_File"]) -> SetValues:
        used = {path.relative_to(folder).as_posix(): file for path, file in found.items() if measure in file.values}
        skipped = [
            Skipped.of(path, file.reasons[measure], measure) for path, file in found.items() if measure in file.reasons
        ]
        if not used:
            raise nothing_usable(role, folder, skipped, measure)
        listing = "".join(f"{name} {file.content}\n" for name, file in used.items())
        return SetValues(
            np.concatenate([file.values[measure] for file in used.values()]),
            tuple(source_of(name) for name, file in used.items() for _ in file.values[measure]),
            hashlib.sha256(listing.encode()).hexdigest(),
            tuple(skipped),
        )

    def _file(self, role: str, path: Path) -> "_File":
        every = role == REAL
        try:
            content = digest(path)
            caches = {name: self._cache(measure) for name, measure in self.measures.items()}
            key = f"{content} every clip" if every else content
            stored = {name: cache.get(key) if cache else None for name, cache in caches.items()}
            missing = [name for name, found in stored.items() if found is None]
            made, reasons = self._measured(path, missing, every) if missing else ({}, {})
        except VideoReadError as error:
            return _File("", {}, dict.fromkeys(self.measures, error.reason))
        for name, rows in made.items():
            if (cache := caches[name]) is not None:
                cache.put(key, rows, len(rows) * self.plan.num_frames)
        values = {name: found[0] for name, found in stored.items() if found is not None} | made
        return _File(content, {name: each.numpy() for name, each in values.items()}, reasons)

    def _measured(self, path: Path, names: Sequence[str], every: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Values of a file's clips by measure; and by measure why there are none, if it cannot be of one of them."""
        rate = frame_rate(path)
        rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
        reasons: dict[str, str] = {}
        for number, clip in enumerate(iter_clips(Decoding(path, self.plan.size), self.plan.num_frames)):
            if number and not every:
                continue  # read on to the end all the same: a file that is corrupt further on is not trusted
            for name in (name for name in names if name not in reasons):
                try:
                    rows[name].append(self._values(name, clip, rate))
                except UnfitClipError as error:
                    reasons[name] = error.reason
        made = {name: torch.tensor(rows[name], dtype=torch.float64) for name in names if name not in reasons}
        return made, reasons

    def _values(self, name: str, clip: Tensor, rate: float) -> tuple[float, ...]:
        measure = self.measures[name]
        values = measure.values(clip, rate, self.networks[measure.network.name])
        if not all(map(math.isfinite, values)):
            raise UnfitClipError("gives no finite number: look at it")
        return values

    def _cache(self, measure: ClipMeasure) -> FeatureCache | None:
        rules = {
            "protocol": measure_protocol(measure, self.plan),
            "network_sha256": measure.network.sha256,
            "device": torch.device(self.execution.device).type,
            "versions": versions_of_measuring(),
        }
        cache = self.execution.cache
        return None if cache is None else FeatureCache(cache / _CACHE, protocol_hash(rules))


@dataclass(frozen=True)
class _File:
    """A file: the SHA-256 of its bytes, its clips' values by measure, and by measure why there are none."""

    content: str
    values: Mapping[str, Array]
    reasons: Mapping[str, str]
