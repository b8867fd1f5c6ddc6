"""The likeness of clips to their captions, by the tiny world's matcher.

The score is built as the CLIP score is (arXiv 2104.08718), on another network: it compares with none of the literature.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import Resampling, drawn_interval
from exvideo_eval.embedded import JUDGES
from exvideo_eval.result_parts import Metric
from exvideo_eval.share import share_metric

Array = NDArray[np.float64]

SCORE = f"CLIP-style score, {JUDGES}"
RETRIEVAL = f"CLIP-style retrieval, {JUDGES}"
MIN_CAPTIONS = 8  # distinct ones: among fewer, chance alone finds too many


def score_metric(clips: Array, captions: Array, resampling: Resampling) -> Metric:
    """Mean cosine of each clip with its caption; embeddings (clips, dimension) of length 1, in the same order."""
    cosines = (clips * captions).sum(axis=1)
    interval = drawn_interval(np.mean, (cosines,), resampling)
    return Metric(SCORE, float(cosines.mean()), "cosine", "higher", len(cosines), features=JUDGES, interval=interval)


def retrieval_metric(
    clips: Array, captions: Array, texts: Sequence[Sequence[str]], resampling: Resampling
) -> Metric | None:
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
    cosines = clips @ captions[first].T
    own = cosines[np.arange(len(clips)), of_clip].copy()
    cosines[np.arange(len(clips)), of_clip] = -np.inf
    return share_metric(RETRIEVAL, own > cosines.max(axis=1), f"share, among {len(number)} captions", resampling)
