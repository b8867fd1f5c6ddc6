"""The samples that a protocol is defined for, out of those that a set has; never one twice."""

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.protocols.definition import DRAWN, FRAME, Protocol
from exvideo_eval.protocols.extraction import SetFeatures
from exvideo_eval.protocols.statistics import FrechetByFrame

Array = NDArray[np.float64]


def samples_of(protocol: Protocol, found: SetFeatures, *, seed: int, allow_fewer: bool) -> Array:
    """Samples (n, dimension) of a set: as many as the protocol is defined for, or all.

    Of a measure by frame index they are (clips, frames, dimension).

    Raises:
        ValueError: as `count_of`.
    """
    count = count_of(protocol, found, allow_fewer=allow_fewer)
    if _by_clip(protocol):
        return np.stack(found.features)
    taken = taken_of(protocol, found, count, seed)
    if taken.all():
        return np.concatenate(found.features)
    ends = np.cumsum(_rows(protocol, found))[:-1]
    pairs = zip(found.features, np.split(taken, ends), strict=True)
    return np.concatenate([rows[of_file] for rows, of_file in pairs])


def taken_of(protocol: Protocol, found: SetFeatures, count: int, seed: int) -> NDArray[np.bool_]:
    """The samples of a set that count, of so many, in the order of its files: (count,)."""
    rule, required = protocol.samples, protocol.samples.of(found.role)
    if required is None or not rule.exactly or count <= required:
        return np.ones(count, dtype=bool)
    taken = np.zeros(count, dtype=bool)
    if rule.chosen == DRAWN:
        taken[np.random.Generator(np.random.PCG64(seed)).permutation(count)[:required]] = True
    else:
        taken[:required] = True
    return taken


def count_of(protocol: Protocol, found: SetFeatures, *, allow_fewer: bool) -> int:
    """Number of samples that a set has.

    Args:
        allow_fewer: take what there is where that is too little; the caller must say so beside the number.

    Raises:
        ValueError: there are too few, or clips are not of equal length where the protocol stacks them.
    """
    _require_equal_lengths(protocol, found)
    count = len(found.files) if _by_clip(protocol) else sum(_rows(protocol, found))
    rule, required = protocol.samples, protocol.samples.of(found.role)
    if count == 0 or (required is not None and count < required and not allow_fewer):
        raise ValueError(_too_few(protocol, found, count, required))
    if count % rule.multiple_of and not rule.exactly and not allow_fewer:
        raise ValueError(
            f"{protocol.name} is defined for multiples of {rule.multiple_of} {noun(protocol)}, and {found.folder} has "
            f"{count} that can be used: take some out, or give --allow-fewer to measure these all the same."
        )
    return count


def _rows(protocol: Protocol, found: SetFeatures) -> list[int]:
    """Samples of each file: its frames that count, or one."""
    frames = protocol.features.frames
    if protocol.features.sample != FRAME:
        return [1] * len(found.files)
    return [len(range(0, total, frames.stride)) if frames.count is None else frames.count for total in found.num_frames]


def is_short(protocol: Protocol, role: str, count: int) -> bool:
    """A set of `count` samples is not what the protocol is defined for."""
    required = protocol.samples.of(role)
    return (required is not None and count < required) or count % protocol.samples.multiple_of != 0


def _too_few(protocol: Protocol, found: SetFeatures, count: int, required: int | None) -> str:
    total = len(found.files) + len(found.skipped)
    lost = "; ".join(f"{item.file} {item.reason}" for item in found.skipped[:3])
    lost += f"; and {len(found.skipped) - 3} more" if len(found.skipped) > 3 else ""
    lost = f", {len(found.skipped)} cannot ({lost})" if found.skipped else ""
    return (
        f"{protocol.name} takes {required or 1} {found.role} {noun(protocol)}, and {found.folder} has {count}: of its "
        f"{total} files {len(found.files)} can be used{lost}. Give more, or --allow-fewer to measure what there is "
        "under a name that says so."
    )


def _require_equal_lengths(protocol: Protocol, found: SetFeatures) -> None:
    if protocol.features.frames.equal and len(set(found.num_frames)) > 1:
        raise ValueError(
            f"{protocol.name} takes clips of one length whole, and those in {found.folder} have "
            f"{min(found.num_frames)} to {max(found.num_frames)} frames: cut them to one length."
        )


def noun(protocol: Protocol) -> str:
    """Word for the samples of a protocol: "clips" or "frames"."""
    return "clips" if _by_clip(protocol) or protocol.features.sample != FRAME else "frames"


def _by_clip(protocol: Protocol) -> bool:
    return isinstance(protocol.statistic, FrechetByFrame)
