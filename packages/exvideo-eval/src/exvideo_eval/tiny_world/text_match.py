"""The likeness of clips to their captions, by the tiny world's matcher.

The score is built as the CLIP score is (arXiv 2104.08718), on another network: it compares with none of the literature.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.measure import WILSON, Measure, mean
from exvideo_eval.statistics import Clips
from exvideo_eval.tiny_world import JUDGES

Array = NDArray[np.float64]

SCORE = f"CLIP-style score, {JUDGES}"
RETRIEVAL = f"CLIP-style retrieval, {JUDGES}"
MIN_CAPTIONS = 8  # distinct ones: among fewer, chance alone finds too many


def score_measure(clips: Clips, captions: Array) -> Measure:
    """Mean cosine of each clip with its caption; embeddings (clips, dimension) of length 1, in the same order."""
    cosines = Clips((clips.values * captions).sum(axis=1), clips.sources)
    return Measure(SCORE, "mean", "cosine", "higher", mean, cosines, features=JUDGES, is_mean=True, has_ratio=False)


def retrieval_measure(clips: Clips, captions: Array, texts: Sequence[Sequence[str]]) -> Measure | None:
    """The share of clips whose own caption is nearer than every other one of the set; chance is one in their number.

    Args:
        clips, captions: embeddings (clips, dimension) of length 1, in the same order.
        texts: the words of each clip's caption; captions of the same words are one.

    Returns:
        None for fewer than 8 distinct captions.
    """
    number = {text: index for index, text in enumerate(dict.fromkeys(map(tuple, texts)))}
    if len(number) < MIN_CAPTIONS:
        return None
    of_clip = np.array([number[tuple(text)] for text in texts])
    first = np.array([np.argmax(of_clip == index) for index in range(len(number))])
    cosines = clips.values @ captions[first].T
    own = cosines[np.arange(len(of_clip)), of_clip].copy()
    cosines[np.arange(len(of_clip)), of_clip] = -np.inf
    found = Clips((own > cosines.max(axis=1)).astype(np.float64), clips.sources)
    unit = f"share, among {len(number)} captions"
    return Measure(RETRIEVAL, "share", unit, "higher", mean, found, features=JUDGES, interval=WILSON, is_mean=True)
