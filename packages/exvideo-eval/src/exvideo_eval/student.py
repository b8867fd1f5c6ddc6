"""Student's t (Biometrika 6, 1908): its quantiles, for any number of degrees of freedom, whole or not."""

import math
from functools import lru_cache

_BISECTIONS, _TERMS, _TINY = 200, 10_000, 1e-300


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: float) -> float:
    """The value that a variable of Student's law is below with this probability, to a relative 1e-6 or less.

    Args:
        probability: in (0, 1).
        freedom: degrees of freedom, above 0.
    """
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    beyond, low, high = 1 - probability, 0.0, 1.0
    while _beyond(high, freedom) > beyond:
        low, high = high, 2 * high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _beyond(middle, freedom) > beyond else (low, middle)
    return high


def _beyond(bound: float, freedom: float) -> float:
    """The probability of more than `bound`, >= 0, by the incomplete beta function (Abramowitz and Stegun, 26.7.1)."""
    x = freedom / (freedom + bound**2)
    return _incomplete_beta(x, freedom / 2, 0.5, bound**2 / (freedom + bound**2)) / 2


def _incomplete_beta(x: float, a: float, b: float, rest: float) -> float:
    """Regularized, of x in (0, 1] and its rest to 1, by the continued fraction that converges (ibid., 26.5.8)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(rest, b, a, x) if rest else 1.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(logarithm) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), from its front (Lentz, Applied Optics 15, 1976)."""
    value, above, below = 1.0, 1.0, 0.0
    for term in range(1, _TERMS):
        half = term // 2
        if term % 2:
            part = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            part = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        above, below = 1 + part / above or _TINY, 1 / (1 + part * below or _TINY)
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value
