"""The formula of each dialect, with its constants, beside the code of its authors on the same features."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.protocols.statistics import ClassVariety

Peer = Callable[[str], Any]


def sets(n: int = 90, dimension: int = 16) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    mixing = random.standard_normal((dimension, dimension)) / np.sqrt(dimension)
    return random.standard_normal((n, dimension)) @ mixing, random.standard_normal((n, dimension)) @ mixing + 0.3


def ours(name: str, real: np.ndarray, generated: np.ndarray) -> float:
    statistic = PROTOCOLS[name].statistic
    assert not isinstance(statistic, ClassVariety)
    return statistic(real, generated, 0).value  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize("name", ["fvd:videogpt", "fvd:tf-original"])
def test_videogpt_and_tensorflow_gan(peer: Peer, name: str) -> None:
    """VideoGPT's function, which cd-fvd carries, is TensorFlow-GAN's; in double precision it must be ours."""
    distance = peer("cdfvd.third_party.i3d.utils").frechet_distance
    x, y = sets()
    theirs = distance(torch.from_numpy(x), torch.from_numpy(y))
    assert ours(name, x, y) == pytest.approx(float(theirs), rel=1e-6)


def test_videogpts_single_precision_is_near(peer: Peer) -> None:
    distance = peer("cdfvd.third_party.i3d.utils").frechet_distance
    x, y = sets(n=40, dimension=64)  # fewer clips than features, as 256 of 400: the roots of nothing are its noise
    theirs = distance(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    assert ours("fvd:videogpt", x, y) == pytest.approx(float(theirs), rel=2e-3)


@pytest.mark.parametrize("name", ["fvd:stylegan-v", "fvd:cd-fvd", "fvd:cd-fvd-videomae"])
def test_stylegan_v_and_cd_fvd(peer: Peer, name: str) -> None:
    """cd-fvd's statistics are StyleGAN-V's: moments divided by N."""
    statistics = peer("cdfvd.utils.metric_utils").FeatureStats
    moments = []
    for features in sets():
        stats = statistics(capture_mean_cov=True)
        stats.append(features.astype(np.float32))
        moments.append(stats.get_mean_cov())
    (mean, covariance), (other_mean, other) = moments
    root = scipy.linalg.sqrtm(covariance @ other)
    theirs = np.real(np.square(mean - other_mean).sum() + np.trace(covariance + other - 2 * root))
    x, y = (features.astype(np.float32).astype(np.float64) for features in sets())
    assert ours(name, x, y) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize(("name", "ridge"), [("fvd:common-metrics", 0.0), ("fvd:fastvideo", 1e-6)])
def test_common_metrics_and_fastvideo(name: str, ridge: float) -> None:
    """By their formula: numpy's covariance, scipy's root of the product."""
    x, y = sets()
    covariances = [np.cov(z, rowvar=False) + ridge * np.eye(16) for z in (x, y)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    theirs = shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(np.real(root))
    assert ours(name, x, y) == pytest.approx(float(theirs), rel=1e-6)


def test_dialects_differ_on_the_same_features() -> None:
    x, y = sets()
    values = {name: ours(name, x, y) for name in ("fvd:stylegan-v", "fvd:common-metrics", "fvd:fastvideo")}
    assert len(set(values.values())) == 3


def test_the_video_score_shuffles_as_stylegan_v_does() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), size=60)
    shuffled = probabilities.copy()
    np.random.RandomState(42).shuffle(shuffled)
    parts = [shuffled[i * 60 // 10 : (i + 1) * 60 // 10] for i in range(10)]
    scores = [
        np.exp((part * (np.log(part) - np.log(part.mean(axis=0, keepdims=True)))).sum(axis=1).mean()) for part in parts
    ]
    statistic = PROTOCOLS["video-inception-score"].statistic
    assert isinstance(statistic, ClassVariety)
    figure = statistic(probabilities)
    assert (figure.value, figure.spread) == pytest.approx((np.mean(scores), np.std(scores)))
