"""Values of every clip of a folder, by several measures at once, from a cache where they are known."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
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
    """Of one set: `values` (clips, quantities) by measure, the source file of each clip, and the files left out."""

    values: Mapping[str, Array]
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

    def __call__(self, role: str, folder: Path) -> SetValues:
        """The values of a folder's clips; of several processes, each measures its share into the cache first.

        Raises:
            ValueError: no such folder, no usable file in it, or clips that a measure cannot be of.
        """
        paths, processes = list_files(role, folder), self.execution.processes
        known = self._all(role, processes.share(paths))
        if processes.size > 1:
            processes.wait()
            known |= self._all(role, [path for path in paths if path not in known]) if processes.is_main else {}
        used = {path: item for path in paths if (item := known.get(path)) and not isinstance(item, Skipped)}
        skipped = tuple(item for item in known.values() if isinstance(item, Skipped))
        if not used and processes.is_main:
            raise nothing_usable(role, folder, skipped)
        return self._joined(folder, used, skipped)

    def _all(self, role: str, paths: Sequence[Path]) -> dict[Path, "_File | Skipped"]:
        what = f"{', '.join(self.measures)}, {role}"
        return dict(zip(paths, self.execution.each(what, lambda path: self._file(role, path), paths), strict=True))

    def _joined(self, folder: Path, used: Mapping[Path, "_File"], skipped: tuple[Skipped, ...]) -> SetValues:
        names = {path: path.relative_to(folder).as_posix() for path in used}
        listing = "".join(f"{names[path]} {item.content}\n" for path, item in used.items())
        first = next(iter(self.measures))
        return SetValues(
            {name: np.concatenate([item.values[name] for item in used.values()]) for name in self.measures if used},
            tuple(source_of(names[path]) for path, item in used.items() for _ in item.values[first]),
            hashlib.sha256(listing.encode()).hexdigest(),
            skipped,
        )

    def _file(self, role: str, path: Path) -> "_File | Skipped":
        every = role == REAL
        try:
            content = digest(path)
            caches = {name: self._cache(measure) for name, measure in self.measures.items()}
            key = f"{content} every clip" if every else content
            stored = {name: cache.get(key) if cache else None for name, cache in caches.items()}
            missing = [name for name, found in stored.items() if found is None]
            made = self._measured(path, missing, every) if missing else {}
        except VideoReadError as error:
            return Skipped(str(path), error.reason)
        for name, rows in made.items():
            if (cache := caches[name]) is not None:
                cache.put(key, rows, len(rows) * self.plan.num_frames)
        values = {name: made[name] if found is None else found[0] for name, found in stored.items()}
        return _File(content, {name: each.numpy() for name, each in values.items()})

    def _measured(self, path: Path, names: Sequence[str], every: bool) -> dict[str, Tensor]:
        rate = frame_rate(path)
        rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
        for number, clip in enumerate(iter_clips(Decoding(path, self.plan.size), self.plan.num_frames)):
            if number and not every:
                continue  # read on to the end all the same: a file that is corrupt further on is not trusted
            for name in names:
                measure = self.measures[name]
                rows[name].append(measure.values(clip, rate, self.networks[measure.network.name]))
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in rows.items()}

    def _cache(self, measure: ClipMeasure) -> FeatureCache | None:
        rules = {
            "protocol": measure_protocol(measure, self.plan),
            "network_sha256": measure.network.sha256,
            "device": torch.device(self.execution.device).type,
            "versions": {name: metadata.version(name) for name in ("av", "torch", "exvideo-eval")},
        }
        cache = self.execution.cache
        return None if cache is None else FeatureCache(cache / _CACHE, protocol_hash(rules))


@dataclass(frozen=True)
class _File:
    """A file that was measured: the SHA-256 of its bytes, and its clips' values by measure."""

    content: str
    values: Mapping[str, Array]
