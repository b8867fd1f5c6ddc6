"""Twins of modules: their own objects over the same parameters, which nothing done to one of them crosses."""

import pytest
import torch
from exvideo_blocks.layers import BorrowedLinear
from exvideo_blocks.twins import has_own_forward, twin_of, twin_with_own
from torch import nn
from torch.nn.utils import prune


class Block(nn.Module):
    """A norm and a linear layer, as a temporal block has them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(self.norm(x))
        return out


class Louder(Block):
    """The same, twice as loud."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


def test_a_twin_of_another_class_shares_all() -> None:
    block, x = Block(), torch.randn(3, 4)
    twin = twin_of(block, Louder)
    assert torch.equal(twin(x), 2 * block(x))
    assert all(own is other for own, other in zip(twin.parameters(), block.parameters(), strict=True))


def test_what_is_hooked_on_one_does_not_reach_the_other() -> None:
    block, seen = Block(), []
    twin = twin_of(block, Louder)
    twin.register_forward_hook(lambda *_: seen.append("twin"))
    block.register_module("later", nn.Linear(4, 4))
    block(torch.zeros(1, 4))
    assert seen == []
    assert not hasattr(twin, "later")


def test_its_own_are_copies_and_the_rest_is_shared() -> None:
    block = Block()
    twin = twin_with_own(block, lambda name: name.startswith("norm."))
    assert twin.linear.weight is block.linear.weight
    assert isinstance(twin.linear, BorrowedLinear)
    with torch.no_grad():
        twin.norm.weight.fill_(5)
    assert block.norm.weight.eq(1).all()


@pytest.mark.parametrize("kind", ["pruned", "int8", "hooked"])
def test_what_is_no_plain_module_is_refused(kind: str) -> None:
    block = Block()
    if kind == "pruned":
        prune.l1_unstructured(block.linear, "weight", 0.5)
    elif kind == "int8":
        block.linear.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    else:
        block.linear.forward = lambda x: x  # type: ignore[method-assign]
        assert has_own_forward(block.linear)
    sentence = {"pruned": "pruned or parametrized", "int8": "torch.int8", "hooked": "a forward of its own"}[kind]
    with pytest.raises(ValueError, match=sentence):
        twin_with_own(block, lambda name: False)
