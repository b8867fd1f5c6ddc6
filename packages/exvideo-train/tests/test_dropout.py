import torch
from exvideo_train.dropout import Dropout
from torch import Tensor, nn


def test_draws_are_of_the_step_and_the_sample_alone() -> None:
    network = nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.0))
    dropout, given = Dropout(network, 0.5, seed=3), torch.randn(4, 64)

    def run(step: int, sample: int) -> Tensor:
        torch.rand(5)
        with dropout.on(step, sample):
            return network(given)

    first = run(1, 0)
    assert torch.equal(run(1, 0), first)
    assert not torch.equal(run(2, 0), first)
    assert not torch.equal(run(1, 1), first)
    assert 0.35 < (first == 0).float().mean() < 0.65


def test_nothing_is_dropped_elsewhere_or_without_a_share() -> None:
    network = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.0)).train()
    given = torch.randn(4, 8)
    whole = network(given)
    state = torch.get_rng_state()
    with Dropout(network, 0.0, seed=3).on(1, 0):
        assert torch.equal(network(given), whole)
    assert torch.equal(torch.get_rng_state(), state)
    Dropout(network, 0.5, seed=3)
    assert torch.equal(network(given), whole)
