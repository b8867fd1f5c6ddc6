"""Fits of samples whose law is known, and the normalised luma they are made of."""

import numpy as np
import pytest
from exvideo_eval.metrics.natural_scenes import fit, normalised


@pytest.mark.parametrize(("law", "shape"), [("standard_normal", 2.0), ("standard_exponential", 1.0)])
def test_the_shape_of_a_known_law_is_found(law: str, shape: float) -> None:
    generator = np.random.default_rng(0)
    values = getattr(generator, law)(200_000) * np.where(generator.random(200_000) < 0.5, -1, 1)
    found = fit(values)
    assert found.shape == pytest.approx(shape, rel=0.02)
    assert found.left == pytest.approx(found.right, rel=0.02)
    assert found.mean == pytest.approx(0, abs=0.02)


def test_a_side_that_is_wider_moves_the_mean_to_it() -> None:
    # Sides are drawn as often as they are wide, so that the density does not jump at 0.
    generator = np.random.default_rng(1)
    values = np.abs(generator.standard_normal(300_000))
    values = np.where(generator.random(300_000) < 0.25, -values, 3 * values)
    found = fit(values)
    assert found.shape == pytest.approx(2, rel=0.05)
    assert (found.left, found.right) == pytest.approx((1, 3), rel=0.02)
    assert found.mean == pytest.approx(values.mean(), rel=0.02)


def test_a_picture_without_detail_has_no_asymmetry_to_fail_on() -> None:
    assert np.isfinite([fit(np.zeros((8, 8))).shape, fit(np.ones((8, 8))).mean]).all()


def test_light_and_contrast_hardly_change_normalised_luma() -> None:
    picture = np.random.default_rng(2).uniform(0, 100, (40, 40))
    inner = (slice(6, -6), slice(6, -6))
    first, second = (normalised(image, 1e-9)[inner] for image in (picture, 2 * picture + 30))
    assert first == pytest.approx(second, abs=1e-6)
