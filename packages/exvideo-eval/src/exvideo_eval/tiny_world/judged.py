"""The share of clips in which the tiny world's judge sees what their sidecars say.

In a clip of at most 16 frames the subject rarely reaches an edge, so that "crosses left" and "bounces left" look the
same: there the probabilities of the two are added up, to one class "moves left".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.measure import WILSON, Measure, mean
from exvideo_eval.statistics import Clips
from exvideo_eval.tiny_world import JUDGES

Array = NDArray[np.float64]

MAX_AMBIGUOUS_FRAMES = 16  # a clip this short rarely tells the two kinds apart
_ALIKE_IN_SHORT_CLIPS = ("crosses", "bounces")


def judged_measure(
    name: str, classes: Sequence[str], probabilities: Clips, truths: Sequence[str], num_frames: int
) -> Measure:
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
    unit, values = "share", probabilities.values
    if name == "motion" and num_frames <= MAX_AMBIGUOUS_FRAMES:
        unit = "share, crosses and bounces as one"
        classes, values = merged_motions(classes, values)
        truths = [merged_motion(truth) for truth in truths]
    right = values.argmax(axis=1) == [classes.index(truth) for truth in truths]
    of_clips = Clips(right.astype(np.float64), probabilities.sources)
    quantity = f"judged {name} right"
    return Measure(quantity, "share", unit, "higher", mean, of_clips, features=JUDGES, interval=WILSON, is_mean=True)


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
