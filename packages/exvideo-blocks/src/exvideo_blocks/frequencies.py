"""Rules that give rotary positions of a longer clip other frequencies: RIFLEx, NTK-aware scaling, YaRN."""

import math
from collections.abc import Callable, Sequence

# Of YaRN: components that turn less often than the first over the known rows are interpolated, beyond the second kept.
YARN_TURNS = (1.0, 32.0)


def rotary_frequencies(theta: float, dim: int) -> list[float]:
    """Radians a row of a rotary embedding's components: theta^(-2 j / dim), j from 0 (RoFormer, arXiv 2104.09864).

    Args:
        theta: the base of the powers.
        dim: columns, two a component.
    """
    return [theta ** (-2 * component / dim) for component in range(dim // 2)]


def intrinsic_component(frequencies: Sequence[float], known_rows: int) -> tuple[int, float]:
    """The component that decides when a longer clip repeats itself, counted from 1, and its period in rows.

    RIFLEx (arXiv 2502.15894) takes the one whose period is nearest to where a base is seen to repeat itself. This one,
    of the shortest period that covers the known rows, looks at no clips: a base does not repeat itself within those.
    From 33 rows of HunyuanVideo and 13 of CogVideoX it is the paper's own, 4 and 2.

    Args:
        frequencies: radians a row, in any order.
        known_rows: rows that the base was trained at.
    """
    periods = [2 * math.pi / frequency for frequency in frequencies]
    covering = [period for period in periods if round(period) >= known_rows]
    period = min(covering, default=max(periods))
    return periods.index(period) + 1, period


def riflex_frequencies(frequencies: Sequence[float], known_rows: int, num_rows: int) -> list[float]:
    """2 pi / num_rows for the intrinsic component, all others as they were (RIFLEx, arXiv 2502.15894).

    So slowed down, its period covers the longer clip. One that does already stays as it was.
    """
    slowed = list(frequencies)
    component, _ = intrinsic_component(frequencies, known_rows)
    slowed[component - 1] = min(slowed[component - 1], 2 * math.pi / num_rows)
    return slowed


def ntk_frequencies(frequencies: Sequence[float], known_rows: int, num_rows: int) -> list[float]:
    """Theta times s^(dim / (dim - 2)) for s = num_rows / known_rows (NTK-aware scaling, arXiv 2309.00071).

    So the fastest component stays as it was, the slowest is interpolated, and those between by their logarithm, in
    whatever order they come. A single component, which is both, stays.
    """
    fastest, slowest = max(frequencies), min(frequencies)
    span = math.log(fastest / slowest) or 1.0
    return [f * (num_rows / known_rows) ** (-math.log(fastest / f) / span) for f in frequencies]


def yarn_frequencies(frequencies: Sequence[float], known_rows: int, num_rows: int) -> list[float]:
    """Interpolation by parts: (1 - g) f / s + g f, s = num_rows / known_rows (YaRN, arXiv 2309.00071).

    g rises from 0 to 1 with the turns of a component over the known rows, from 1 to 32 turns. YaRN's temperature of the
    attention is left out: it would scale the logits of height and width, too.
    """
    scale, (low, high) = num_rows / known_rows, YARN_TURNS

    def interpolated(frequency: float) -> float:
        turns = known_rows * frequency / (2 * math.pi)
        kept = min(max((turns - low) / (high - low), 0.0), 1.0)
        return (1 - kept) * frequency / scale + kept * frequency

    return [interpolated(frequency) for frequency in frequencies]


FREQUENCIES: dict[str, Callable[[Sequence[float], int, int], list[float]]] = {
    "riflex": riflex_frequencies,
    "ntk": ntk_frequencies,
    "yarn": yarn_frequencies,
}
