"""The training of the small Wan."""

from functools import partial

import pytest
import torch
from torch import Tensor

from tiny_world.wan import train as wan
from tiny_world.wan.network import build_network


def words(captions: list[str]) -> Tensor:
    return torch.ones(len(captions), 28, 64) * torch.tensor([len(text) for text in captions]).view(-1, 1, 1)


def loss(step: int, latents: Tensor, part: int = 0) -> Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return partial(wan.part_of_step, build_network(), latents, words, 0)(step, part, 2)()


def test_what_a_part_of_a_step_trains_on_is_a_function_of_the_step() -> None:
    latents = torch.randn(20, 8, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loss(3, latents), loss(3, latents))
    assert not torch.equal(loss(3, latents), loss(4, latents))
    assert not torch.equal(loss(3, latents), loss(3, latents, part=1))


@pytest.mark.parametrize(("share", "is_judged"), [(0.0, False), (1.0, True)])
def test_a_first_frame_is_judged_where_words_alone_are_given(
    share: float, is_judged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wan, "WITHOUT_FIRST_FRAME", share)
    latents = torch.zeros(20, 8, 8, 8, 8)
    before = loss(0, latents)
    latents[:, 0] = 100.0  # the network answers zero, so that the loss is of noise - latents alone
    assert bool(loss(0, latents) > 100 * before) == is_judged
