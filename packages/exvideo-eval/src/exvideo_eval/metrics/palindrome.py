"""Likeness of a clip's second half to its first, backwards against forwards: a clip that runs back is a palindrome."""

from torch import Tensor

from exvideo_eval.metrics.cuts import RESOLUTION


def palindrome(clip: Tensor) -> float:
    """Mean absolute difference of the second half reversed to the first half, over that of the second half forwards.

    0 for a palindrome, which a still clip is too; about 1 for steady motion; more where the clip repeats its first
    half.

    Args:
        clip: uint8 (frames, 3, height, width), 4 frames at least.

    Raises:
        ValueError: it has fewer frames.
    """
    if len(clip) < 4:
        raise ValueError(f"A clip of {len(clip)} frames has no halves to compare: give at least 4.")
    half = len(clip) // 2
    first, second = clip[:half], clip[-half:]
    backwards, forwards = (_difference(first, other) for other in (second.flip(0), second))
    return 0.0 if backwards < RESOLUTION else backwards / max(forwards, RESOLUTION)


def _difference(one: Tensor, two: Tensor) -> float:
    pairs = zip(one, two, strict=True)
    return sum(float((a.int() - b.int()).abs().double().mean()) for a, b in pairs) / len(one) / 255
