"""The faults by name, each with the measures that are there to show it."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults import faults
from benchmarks.faults.faults import Frames

_FRECHET, _KERNEL = "Fréchet distance, TransNetV2 features", "kernel distance, TransNetV2 features"
_SHIFT = "shift of the mean off the axes, TransNetV2 features"
_RETURN, _PALINDROME = "nearest return to the first frame, shortfall to real", "palindrome, shortfall to real"
_DYNAMIC, _FLICKER, _SMOOTH = "dynamic degree relative to real", "flicker", "motion smoothness, RIFE 3.9"
_WARP, _BRISQUE, _ALONG = "warp error, RIFE 3.9", "BRISQUE, brisque 0.2.0", "flow along the real clip's, RIFE 3.9"


@dataclass(frozen=True)
class Fault:
    """A fault: `apply` puts it into a clip; each of `measures`, as the report names them, must show it."""

    apply: Callable[[Frames], Frames]
    measures: tuple[str, ...]


FAULTS = {
    "frozen": Fault(faults.frozen, ("still clips", _DYNAMIC, "motion energy, mismatch to real", _FRECHET)),
    "looped": Fault(faults.looped, (_RETURN,)),
    "runs back": Fault(faults.run_back, (_PALINDROME, _RETURN)),
    "seam": Fault(faults.seamed, ("seam", "largest jump")),
    "reversed": Fault(faults.reversed_in_time, (_ALONG,)),
    "shuffled": Fault(faults.shuffled, (_SMOOTH, _WARP, "motion energy, mismatch to real", _KERNEL)),
    "fades": Fault(faults.fading, ("brightness, last quarter over first", "brightness, mismatch to real")),
    "noise grows": Fault(faults.noisy, ("sharpness, last quarter over first", _FLICKER, _BRISQUE)),
    "blur grows": Fault(faults.blurred, ("sharpness, last quarter over first", "sharpness, mismatch to real")),
    "duplicate": Fault(faults.duplicated, ("difference to real",)),
    "recoloured": Fault(faults.recoloured, (_SHIFT,)),
    "recompressed": Fault(faults.recompressed, ("sharpness, mismatch to real", _BRISQUE)),
}
