"""The decay of the exponential moving average of the trained weights."""


def ema_decay(step: int, limit: float) -> float:
    """Decay after update number `step` (from 1): min(limit, (1 + step) / (10 + step)), so that short runs average too.

    Args:
        step: updates made, at least 1.
        limit: decay of a long run, 0 to below 1; 0 keeps the latest weights.
    """
    return min(limit, (1 + step) / (10 + step))
