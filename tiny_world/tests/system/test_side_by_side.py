"""Two halves side by side give the gradients of the whole batch."""

from functools import partial

import torch
from torch import Tensor, nn

from tiny_world.system.side_by_side import side_by_side


def loss_of(network: nn.Module, data: Tensor) -> Tensor:
    return network(data).square().mean()


def test_gradients_are_those_of_the_mean_loss_of_the_batch() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.SiLU(), nn.Linear(7, 1))
    data = torch.randn(6, 5)
    whole = network(data).square().mean()
    expected = torch.autograd.grad(whole, list(network.parameters()))
    with side_by_side(network) as backward:
        loss = backward([partial(loss_of, network, half) for half in data.chunk(2)])
    torch.testing.assert_close(torch.tensor(loss), whole.detach())
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_parameter_without_part_in_the_loss_gets_no_gradient() -> None:
    network = nn.ModuleDict({"used": nn.Linear(2, 1), "unused": nn.Linear(2, 1)})
    with side_by_side(network) as backward:
        backward([lambda: network["used"](torch.ones(1, 2)).sum()] * 2)
    assert network["unused"].weight.grad is None
    assert network["used"].weight.grad is not None


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with side_by_side(nn.Linear(1, 1)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
