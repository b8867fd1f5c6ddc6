"""Training loss by noise level: bins of equal share, and means of what falls into each."""

import pytest
import torch
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_train.loss_by_level import BINS, LossByLevel


@pytest.fixture(scope="module")
def by_level() -> LossByLevel:
    return LossByLevel(SigmaObjective(distribution="lognormal", mean=0.0, std=1.0), [(16, 3)])


def test_each_bin_has_the_same_share_of_what_training_draws(by_level: LossByLevel) -> None:
    objective = SigmaObjective(distribution="lognormal", mean=0.0, std=1.0)
    generator = torch.Generator().manual_seed(1)  # draws of another run
    levels = torch.stack([objective.draw(generator, 16) for _ in range(6000)])
    counts = by_level.sums(levels, torch.ones(len(levels)))[BINS:]
    assert all(count == pytest.approx(1000, abs=120) for count in counts)


def test_a_figure_is_the_mean_of_its_bin(by_level: LossByLevel) -> None:
    low, high = 0.01, 100.0
    sums = by_level.sums(torch.tensor([low, low, high]), torch.tensor([1.0, 2.0, 8.0]))
    more = by_level.sums(torch.tensor([high]), torch.tensor([4.0]))
    figures = by_level.figures([one + other for one, other in zip(sums, more, strict=True)])
    assert list(figures.values()) == [1.5, 6.0]
    assert list(figures) == [f"loss_by_level/{by_level.names[0]}", f"loss_by_level/{by_level.names[-1]}"]
    assert by_level.names[0].startswith("below_")


def test_a_level_at_an_edge_is_above_it(by_level: LossByLevel) -> None:
    assert by_level.sums(by_level.edges[:1], torch.ones(1))[BINS:][1] == 1.0
