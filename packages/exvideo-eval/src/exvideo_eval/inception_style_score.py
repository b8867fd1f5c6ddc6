"""A set of clips scored by variety and certainty, as the Inception score does images (arXiv 1606.03498).

    exp( sum over properties of  mean over clips of KL( p(y | clip) || p(y) ) )

with p(y) the mean of p(y | clip). The classifier here is the tiny world's judge with its four properties, each taken
for itself, as its heads are: so the score is the product of the four. It is 1 where all clips look alike or nothing is
told, and at most the product of the numbers of classes. It is no Inception score: that one's network is another.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.bootstrap import Resampling, drawn_statistics, normal_interval
from exvideo_eval.embedded import JUDGES
from exvideo_eval.result_parts import Metric

Array = NDArray[np.float64]

NAME = f"Inception-style score, {JUDGES}"


def inception_style_score(probabilities: Array) -> float:
    """Of the probabilities (clips, classes), the classes of all properties side by side; see above for its range."""
    return math.exp(mutual_information(probabilities))


def mutual_information(probabilities: Array) -> float:
    """Of clip and class, in nats, >= 0: the entropy of the mean of (clips, classes), less the mean of the entropies.

    Properties side by side add up, as entropies are sums over classes.
    """
    return max(0.0, float(_entropy(probabilities.mean(axis=0)) - _entropy(probabilities).mean()))


def inception_style_metric(probabilities: Mapping[str, Array], resampling: Resampling) -> Metric:
    """The score of a set of clips, from (clips, classes) by property. Few clips lower it: compare equal numbers."""
    together = np.concatenate(list(probabilities.values()), axis=1)
    value = inception_style_score(together)
    # Clips drawn twice make a set less varied, which shifts the score: only the spread of the draws is used.
    draws = drawn_statistics(inception_style_score, (together,), resampling)
    interval = None if draws is None else normal_interval(value, draws, resampling.level, minimum=1.0)
    return Metric(NAME, value, "kinds told apart", "higher", len(together), features=JUDGES, interval=interval)


def _entropy(probabilities: Array) -> Array:
    """In nats, over the last axis; a class of no probability adds nothing."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropy: Array = -(probabilities * logarithms).sum(axis=-1)
    return entropy
