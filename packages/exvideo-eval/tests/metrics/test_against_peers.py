"""Every number beside that of a peer's own code, on the same features in double precision."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_eval.metrics.clip_similarity import clip_score
from exvideo_eval.metrics.frechet import frechet_distance_of_features
from exvideo_eval.metrics.inception_score import inception_score
from exvideo_eval.metrics.kernel_distance import polynomial_mmd
from exvideo_eval.metrics.kernel_inception_distance import kernel_inception_distance
from exvideo_eval.metrics.monge_inception_distance import monge_inception_distance

Peer = Callable[[str], Any]

CLOSE = {"rel": 1e-6, "abs": 1e-6}


def features(seed: int, n: int, dimension: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).standard_normal((dimension, dimension)) / np.sqrt(dimension)
    return random.standard_normal((n, dimension)) @ mixing + shift


@pytest.mark.parametrize(("n", "m", "dimension"), [(300, 250, 24), (40, 50, 24), (20, 30, 64)])
def test_frechet_distance(peer: Peer, n: int, m: int, dimension: int) -> None:
    x, y = features(0, n, dimension), features(1, m, dimension, 0.3)
    ours = frechet_distance_of_features(x, y)
    fidelity = peer("torch_fidelity.metric_fid")
    statistics = [fidelity.fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
    theirs = fidelity.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    # A peer's roots of eigenvalues of a singular product are only good to 1e-8 in each empty direction.
    assert ours == pytest.approx(theirs, **CLOSE if n > dimension else {"abs": 1e-5})
    distance = peer("torchmetrics.image.fid")._compute_fid
    moments = [moment for z in (x, y) for moment in (torch.tensor(z.mean(axis=0)), torch.from_numpy(np.cov(z.T)))]
    assert ours == pytest.approx(float(distance(*moments)), **CLOSE if n > dimension else {"abs": 1e-5})


def test_kernel_inception_distance(peer: Peer) -> None:
    x, y = features(0, 60, 16), features(1, 60, 16, 0.3)
    ours, deviation = kernel_inception_distance(x, y, subsets=3, subset_size=60)
    assert deviation == pytest.approx(0, abs=1e-12)
    whole = {"kid_subsets": 1, "kid_subset_size": 60, "verbose": False}
    sets = (torch.from_numpy(x), torch.from_numpy(y))
    theirs = peer("torch_fidelity.metric_kid").kid_features_to_metric(*sets, **whole)
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], **CLOSE)
    assert ours == pytest.approx(float(peer("torchmetrics.image.kid").poly_mmd(*sets)), **CLOSE)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_inception_score(peer: Peer, scale: float) -> None:
    logits = torch.from_numpy(scale * features(0, 203, 12))
    ours = inception_score(logits.softmax(dim=1).numpy(), splits=10)
    theirs = peer("torch_fidelity.metric_isc").isc_features_to_metric(logits, splits=10, shuffle=False)
    assert ours == pytest.approx((theirs["inception_score_mean"], theirs["inception_score_std"]), **CLOSE)


def test_inception_score_of_torchmetrics(peer: Peer) -> None:
    logits = torch.from_numpy(features(0, 200, 12))
    metric = (
        peer("torchmetrics.image.inception")
        .InceptionScore(feature=torch.nn.Identity(), splits=1)
        .set_dtype(torch.float64)
    )
    metric.features.append(logits)
    mean, _ = metric.compute()
    assert inception_score(logits.softmax(dim=1).numpy(), splits=1)[0] == pytest.approx(float(mean), **CLOSE)


def test_jedi_is_its_authors_polynomial_distance() -> None:
    authors = _videojedi()
    x, y = features(0, 70, 20), features(1, 50, 20, 0.2)
    ours = 100 * polynomial_mmd(x, y, degree=2, coef0=0.0, unbiased=False)
    assert ours == pytest.approx(100 * authors.mmd_poly(x, y, degree=2, coef0=0), **CLOSE)


def _videojedi() -> Any:
    """The authors' kernel by path: their package's face wants torchvision and downloads."""
    found = importlib.util.find_spec("videojedi")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("videojedi is not installed")
    path = f"{found.submodule_search_locations[0]}/mmd_polynomial.py"
    spec = importlib.util.spec_from_file_location("videojedi_mmd_polynomial", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mind_follows_the_listing_of_its_paper() -> None:
    """In torch, by its top-k of projections, at the same directions."""
    x, y = features(0, 300, 8), features(1, 300, 8, 0.4)
    directions = torch.from_numpy(np.random.Generator(np.random.PCG64(5)).standard_normal((1000, 8)))
    directions /= directions.norm(dim=-1, keepdim=True)
    sliced = [(directions @ torch.from_numpy(z).T).topk(300, dim=-1).values for z in (x, y)]
    theirs = 3 * 8 * float(((sliced[0] - sliced[1]) ** 2).mean(dim=1).mean())
    assert monge_inception_distance(x, y, seed=5) == pytest.approx(theirs, **CLOSE)


def test_clip_score_of_torchmetrics() -> None:
    cosines = np.array([0.31, -0.02, 0.27])
    scores = torch.from_numpy(100 * cosines)
    assert clip_score(cosines) == pytest.approx(float(torch.max(scores.mean(), torch.zeros(()))), **CLOSE)
    assert clip_score(np.array([-0.5, 0.1])) == 0
