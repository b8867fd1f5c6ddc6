"""Rules that give each frame of a longer clip a position of the base to start from."""

from collections.abc import Callable

from exvideo_blocks.frequencies import FREQUENCIES


def reflected_positions(base_frames: int, num_frames: int) -> list[float]:
    """Position ids for `num_frames` frames of a model that knows `base_frames`: reflected at the ends, not wrapped.

    Frames 0 .. base-1 keep their own id. After them the ids run back from base-2 over `repeat` steps, then forth to
    base-1, and so on, with repeat = round(0.8 * base): base 25 gives 0..24, 23..4, 5..24, 23..4, ... (ExVideo's
    initialisation; two neighbouring frames never differ by more than one position.)

    Args:
        base_frames: frames of the base model, at least 2.
        num_frames: frames wanted, at least 1.

    Returns:
        num_frames ids in 0 .. base_frames - 1.

    Raises:
        ValueError: base_frames is below 2, so there is nothing to reflect.
    """
    if base_frames < 2:
        raise ValueError(f"base_frames={base_frames} leaves nothing to reflect: the base model must know 2 frames.")
    repeat = min(round(0.8 * base_frames), base_frames - 1)
    ids: list[float] = []
    for frame in range(num_frames):
        step = (frame - base_frames) % (2 * repeat)
        if frame < base_frames:
            ids.append(frame)
        elif step < repeat:
            ids.append(base_frames - 2 - step)
        else:
            ids.append(base_frames - 2 * repeat + step)
    return ids


def continued_positions(base_frames: int, num_frames: int) -> list[float]:
    """0 .. num_frames - 1: each frame has a position of its own, those from base_frames on unknown to the base.

    Frames up to the base's own length are as in the base, and time runs forth throughout; an untrained extension
    computes what the base computes when it is asked for as many frames directly.
    """
    return [float(frame) for frame in range(num_frames)]


def interpolated_positions(base_frames: int, num_frames: int) -> list[float]:
    """num_frames positions evenly from 0 to base_frames - 1 (position interpolation, arXiv 2306.15595).

    Every position is within what the base knows, and time runs forth; but frames are closer to each other than the
    base has seen, so a freshly extended model differs from its base at every length from 2 frames on.
    """
    step = (base_frames - 1) / max(num_frames - 1, 1)
    return [frame * step for frame in range(num_frames)]


POSITIONS: dict[str, Callable[[int, int], list[float]]] = {
    "reflected": reflected_positions,
    "continued": continued_positions,
    "interpolated": interpolated_positions,
}
"""Rules by name: from the frames that a base knows and those wanted, the position that each frame starts from."""

STARTS = (*POSITIONS, *FREQUENCIES)
"""Every rule that ExtensionConfig takes. Those that change frequencies are for families with rotary positions."""


def position_ids(positions: str, known_rows: int, num_rows: int, who: str) -> list[float]:
    """num_rows position ids of a model that knows `known_rows`, for one whose positions are a table of rows.

    Args:
        positions: one of `STARTS`.
        known_rows: rows of the base model.
        num_rows: rows wanted.
        who: the model in words, for the error.

    Raises:
        ValueError: the positions change the frequencies of a rotary embedding; or there is nothing to reflect.
    """
    if positions in FREQUENCIES:
        raise ValueError(
            f"positions={positions!r} changes the frequencies of rotary positions, which {who} does not have: choose "
            f"one of {', '.join(POSITIONS)}."
        )
    return POSITIONS[positions](known_rows, num_rows)
