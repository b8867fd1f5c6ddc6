import numpy as np
import pytest
from exvideo_eval.result_parts import Metric
from exvideo_eval.statistics import Clips, Resampling
from exvideo_eval.tiny_world.text_match import retrieval_measure, score_measure

RESAMPLING = Resampling(50, 0.95, 0)
TEXTS = [("a", "clip", str(number)) for number in range(10)]


def on_sphere(seed: int, count: int, dimension: int = 16) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((count, dimension))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def named(values: np.ndarray) -> Clips:
    return Clips(values, tuple(map(str, range(len(values)))))


def retrieval(clips: np.ndarray, captions: np.ndarray, texts: list[tuple[str, ...]]) -> Metric | None:
    measure = retrieval_measure(named(clips), captions, texts)
    return None if measure is None else measure.metric(RESAMPLING)[0]


def share_found(clips: np.ndarray, captions: np.ndarray, texts: list[tuple[str, ...]] = TEXTS) -> float:
    metric = retrieval(clips, captions, texts)
    assert metric is not None
    return metric.value


def test_the_score_is_the_mean_cosine() -> None:
    clips = np.eye(3)
    captions = np.array([[1.0, 0, 0], [0, 0.6, 0.8], [0, 0, -1]])
    metric, _, _ = score_measure(named(clips), captions).metric(RESAMPLING)
    assert metric.value == pytest.approx((1 + 0.6 - 1) / 3)
    assert metric.interval is not None
    assert metric.interval.low < metric.value < metric.interval.high


def test_retrieval_finds_all_of_perfect_embeddings_and_chance_of_random_ones() -> None:
    captions = on_sphere(0, 10)
    assert share_found(captions, captions) == 1
    assert share_found(captions[::-1], captions) == 0
    chance = [share_found(on_sphere(seed, 10), on_sphere(seed + 1000, 10)) for seed in range(200)]
    assert np.mean(chance) == pytest.approx(0.1, abs=0.03)


def test_captions_of_the_same_words_are_one() -> None:
    captions = on_sphere(0, 10)[[*range(10), 3, 3]]
    metric = retrieval(captions, captions, [*TEXTS, TEXTS[3], TEXTS[3]])
    assert metric is not None
    assert (metric.value, metric.n, metric.unit) == (1, 12, "share, among 10 captions")


def test_captions_that_the_matcher_cannot_tell_apart_are_not_found() -> None:
    assert share_found(on_sphere(1, 10), np.tile(on_sphere(2, 1), (10, 1))) == 0


def test_few_captions_have_no_retrieval() -> None:
    captions = on_sphere(0, 10)[:7]
    assert retrieval(captions, captions, TEXTS[:7]) is None
