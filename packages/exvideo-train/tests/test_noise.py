import torch
from exvideo_train.config import NoiseSection
from exvideo_train.noise import clip_of_sample, draw_sigma, keyed_generator


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


def test_sigmas_follow_their_distribution() -> None:
    published = torch.stack([draw_sigma(NoiseSection(), keyed_generator(0, "s", i)) for i in range(2000)])
    assert abs((published > 15.7).float().mean() - 0.5) < 0.04
    assert abs((published > 136).float().mean() - 0.25) < 0.04
    section = NoiseSection(distribution="lognormal", mean=1.0, std=0.5)
    lognormal = torch.stack([draw_sigma(section, keyed_generator(0, "s", i)) for i in range(2000)]).log()
    assert abs(lognormal.mean() - 1.0) < 0.05
    assert abs(lognormal.std() - 0.5) < 0.05
