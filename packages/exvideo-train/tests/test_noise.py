import torch
from exvideo_train.noise import keyed_generator


def draw(*key: int, seed: int = 0, purpose: str = "noise") -> torch.Tensor:
    return torch.randn(8, generator=keyed_generator(seed, purpose, *key))


def test_the_key_decides_and_nothing_else() -> None:
    first = draw(3, 1)
    torch.manual_seed(99)
    assert torch.equal(draw(3, 1), first)
    others = [draw(3, 2), draw(4, 1), draw(3, 1, seed=1), draw(3, 1, purpose="sigma"), draw(31)]
    assert not any(torch.equal(other, first) for other in others)
