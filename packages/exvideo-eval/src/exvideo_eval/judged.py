"""The share of clips in which the tiny world's judge sees what their sidecars say.

In a clip of at most 16 frames the subject rarely reaches an edge, so that "crosses left" and "bounces left" look the
same: there the probabilities of the two are added up, to one class "moves left".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import Resampling
from exvideo_eval.result_parts import Metric
from exvideo_eval.share import share_metric

Array = NDArray[np.float64]

MAX_AMBIGUOUS_FRAMES = 16  # a clip this short rarely tells the two kinds apart
_ALIKE_IN_SHORT_CLIPS = ("crosses", "bounces")


def judged_metric(
    name: str,
    classes: Sequence[str],
    probabilities: Array,
    truths: Sequence[str],
    num_frames: int,
    resampling: Resampling,
) -> Metric:
    """The share of clips whose likeliest class of one property is the true one.

    Args:
        name: of the property, such as "shape".
        classes: the property's classes, in the order of the probabilities.
        probabilities: (clips, classes).
        truths: the true class of each clip, at least one.
        num_frames: of the clips.

    Raises:
        ValueError: a truth is none of the classes.
    """
    unknown = sorted(set(truths) - set(classes))
    if unknown:
        raise ValueError(
            f"The sidecars say {name} {unknown[0]!r}, which the judges do not know ({', '.join(classes)}): "
            "use judges and clips of the same world."
        )
    unit = "share"
    if name == "motion" and num_frames <= MAX_AMBIGUOUS_FRAMES:
        unit = "share, crosses and bounces as one"
        classes, probabilities = merged_motions(classes, probabilities)
        truths = [merged_motion(truth) for truth in truths]
    right = probabilities.argmax(axis=1) == [classes.index(truth) for truth in truths]
    return share_metric(f"judged {name} right", right, unit, resampling)


def merged_motions(classes: Sequence[str], probabilities: Array) -> tuple[list[str], Array]:
    """Classes and probabilities (clips, classes) with those added up that a short clip cannot tell apart."""
    merged = [merged_motion(motion) for motion in classes]
    kept = list(dict.fromkeys(merged))
    belongs = np.array([[motion == name for name in kept] for motion in merged], dtype=np.float64)
    return kept, probabilities @ belongs


def merged_motion(motion: str) -> str:
    """ "crosses left" and "bounces left" are "moves left"; any other motion is itself."""
    kind, _, direction = motion.partition(" ")
    return f"moves {direction}" if kind in _ALIKE_IN_SHORT_CLIPS else motion
