"""Measurements of files, kept by their content and the rules of measuring: nothing is measured twice.

`<folder>/<two digits>/<key>.safetensors` holds the arrays of one file, each under a name, with the file's description
in the header. The key is the SHA-256 of the rules, the file's own and that of its real twin; so a file that moves is
found, and one that changes is not. Everything is written to a temporary name and renamed: a run may be killed at any
moment.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from exvideo_eval.execution import Execution
from exvideo_eval.machine import versions_of_measuring
from exvideo_eval.measured_file import Array, Instruments, MeasuredFile
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.video_reader import RESIZING, VideoInfo
from exvideo_eval.whole_file import replacing

logger = logging.getLogger(__name__)

_FORMAT = "exvideo.measured/2"
_FEATURES, _EMBEDDINGS = "features", "embeddings"
_GROUPS = ("curves", "motions", "curves_to_real", "probabilities")


@contextmanager
def opened_cache(instruments: Instruments, execution: Execution) -> Iterator["FileCache"]:
    """The cache of a run: in the folder that its execution names, or in one that is removed in the end."""
    with ExitStack() as stack:
        folder = execution.cache or Path(stack.enter_context(TemporaryDirectory(prefix="exvideo-eval-")))
        yield FileCache(folder, _rules(instruments, execution))


def _rules(instruments: Instruments, execution: Execution) -> dict[str, Any]:
    """All that changes a bit of what is measured of a file; versions too, as decoders and kernels are improved."""
    extractor, judges = instruments.extractor, instruments.judges
    return {
        "format": _FORMAT,
        "plan": asdict(instruments.plan),
        "resizing": RESIZING,
        "features": [extractor.name, extractor.input_description, extractor.weights_sha256],
        "judges": None if judges is None else dict(judges.sha256),
        "device": torch.device(execution.device).type,
        "versions": versions_of_measuring(),
    }


class FileCache:
    """Measurements by file.

    Args:
        folder: made when something is put into it.
        rules: everything that changes what is measured of a file, as plain JSON values.
    """

    def __init__(self, folder: Path, rules: Mapping[str, Any]) -> None:
        self.folder, self.rules = folder, dict(rules)

    def path(self, content: str, twin: str = "", every_clip: bool = False) -> Path:
        """The place at which the measurements of a file lie, or are to lie.

        Args:
            content: SHA-256 of the file.
            twin: that of the real file which it was compared with; "" for none.
            every_clip: whether all its clips were measured, or the first.
        """
        key = protocol_hash({**self.rules, "file": content, "twin": twin, "every_clip": every_clip})
        return self.folder / key[:2] / f"{key}.safetensors"

    def load(self, path: Path) -> MeasuredFile | None:
        """The measurements that lie there; None if there are none, or (with a warning) if they cannot be read."""
        if not path.is_file():
            return None
        try:
            with safe_open(path, "numpy") as file:
                header = file.metadata()
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            if header["format"] != _FORMAT:
                raise ValueError(f"its format is {header['format']!r}")
            return _measured(json.loads(header["info"]), arrays)
        except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
            logger.warning("%s cannot be read (%s): its file is measured again", path, error)
            return None

    def save(self, path: Path, measured: MeasuredFile) -> None:
        """Write measurements, whole or not at all. Raises ValueError if they cannot be written."""
        arrays = {_FEATURES: measured.features}
        if measured.embeddings is not None:
            arrays[_EMBEDDINGS] = measured.embeddings
        for group in _GROUPS:
            arrays |= {f"{group}/{name}": values for name, values in getattr(measured, group).items()}
        header = {"format": _FORMAT, "info": json.dumps(asdict(measured.info))}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, temporary, header)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"The cache {self.folder} cannot be written ({error}): give another --cache.") from error


class StoredFeatures(Sequence[Array]):
    """Features of many clips, each (windows, dimension), that stay in their files until one is asked for.

    Args:
        places: of each clip: the file of its measurements, and its number in it.
        num_windows: of each clip.
        windows: their numbers, if not all of them are wanted, or one of them several times.
    """

    def __init__(
        self, places: Sequence[tuple[Path, int]], num_windows: int, windows: Sequence[int] | None = None
    ) -> None:
        self._places, self._windows = tuple(places), None if windows is None else list(windows)
        self.num_windows = num_windows if windows is None else len(windows)

    def at(self, windows: Sequence[int]) -> "StoredFeatures":
        """The same clips' features at some windows, which may be one of them several times."""
        of_all = windows if self._windows is None else [self._windows[window] for window in windows]
        return StoredFeatures(self._places, self.num_windows, of_all)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredFeatures": ...
    def __getitem__(self, index: int | slice) -> "Array | StoredFeatures":
        if isinstance(index, slice):
            return StoredFeatures(self._places[index], self.num_windows, self._windows)
        path, number = self._places[index]
        with safe_open(path, "numpy") as file:
            features: Array = file.get_slice(_FEATURES)[number]
        return features if self._windows is None else features[self._windows]


def _measured(info: dict[str, Any], arrays: Mapping[str, Array]) -> MeasuredFile:
    groups: dict[str, dict[str, Array]] = {group: {} for group in _GROUPS}
    for name, values in arrays.items():
        group, _, of = name.partition("/")
        if of:
            groups[group][of] = values
    return MeasuredFile(
        info=VideoInfo(**info | {"notes": tuple(info["notes"])}),
        features=arrays[_FEATURES],
        embeddings=arrays.get(_EMBEDDINGS),
        **groups,
    )
