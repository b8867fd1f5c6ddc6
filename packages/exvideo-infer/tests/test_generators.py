"""Noise of a call: by one generator for all clips, or one each."""

import pytest
import torch
from exvideo_infer.generators import check_generators, randn

CPU = torch.device("cpu")


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_generator_each_gives_each_clip_its_own_noise() -> None:
    both = randn((2, 3, 4), seeded(5, 6), CPU, torch.float32)
    for clip, generator in zip(both, seeded(5, 6), strict=True):
        assert torch.equal(clip, torch.randn((1, 3, 4), generator=generator)[0])


def test_noise_is_drawn_in_the_dtype_that_is_asked_for() -> None:
    (generator,) = seeded(0)
    noise = randn((2, 3), generator, CPU, torch.float16)
    assert noise.dtype == torch.float16
    assert torch.equal(noise, randn((2, 3), seeded(0)[0], CPU, torch.float16))


def test_a_list_is_one_a_clip() -> None:
    check_generators(None, 3)
    check_generators(seeded(0)[0], 3)
    check_generators(seeded(0, 1, 2), 3)
    with pytest.raises(ValueError, match="2 generators were given for 3 clips: give one for all, or one each"):
        check_generators(seeded(0, 1), 3)
