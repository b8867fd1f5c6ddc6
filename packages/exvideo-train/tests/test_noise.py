import pytest
import torch
from exvideo_train.noise import clip_of_sample, keyed_generator


def draw(*key: int, seed: int = 0, purpose: str = "noise") -> torch.Tensor:
    return torch.randn(8, generator=keyed_generator(seed, purpose, *key))


def test_the_key_decides_and_nothing_else() -> None:
    first = draw(3, 1)
    torch.manual_seed(99)
    assert torch.equal(draw(3, 1), first)
    others = [draw(3, 2), draw(4, 1), draw(3, 1, seed=1), draw(3, 1, purpose="sigma"), draw(31)]
    assert not any(torch.equal(other, first) for other in others)


def test_every_clip_comes_once_an_epoch_in_a_new_order() -> None:
    epochs = [[clip_of_sample(5, 7 * epoch + i, 7) for i in range(7)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_order_is_the_one_that_runs_have_always_had() -> None:
    order = [5, 2, 0, 4, 3, 1, 6, 0, 1, 5, 3, 2, 4, 6, 6, 0, 3, 4, 5, 2, 1]
    assert [clip_of_sample(5, sample, 7) for sample in range(21)] == order


def test_an_epoch_is_shuffled_once_and_not_once_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *args, **options: calls.append(args) or real(*args, **options))
    for first in range(0, 60, 4):  # each batch is asked for twice, as by two processes in one
        for sample in [*range(first, first + 4)] * 2:
            clip_of_sample(987, sample, 30)
    assert len(calls) == 2
