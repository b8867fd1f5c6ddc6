"""First frames with noise, encoded beforehand."""

from collections.abc import Callable
from math import log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_infer import Base, load_base
from exvideo_train.bases import completed
from exvideo_train.config import NoiseAugmentationSection, load_config
from exvideo_train.data import Data
from exvideo_train.data.cache_bytes import cache_bytes
from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.latent_cache import EncodedClip, LatentCache
from exvideo_train.data.noisy_images import variant_noise
from exvideo_train.data.video_encoder import VideoEncoder
from exvideo_train.errors import UserError
from exvideo_train.how_trained import how_trained

MakeConfig = Callable[..., Path]
FRAMES, LENGTH, STRIDE = 30, 12, 6
SIZE = (32, 32)
VARIANTS = NoiseAugmentationSection(variants=3)


@pytest.fixture(scope="module")
def film(clip_writer: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_writer(tmp_path_factory.mktemp("film") / "film.mp4", frames=FRAMES)


@pytest.fixture(scope="module")
def base(tiny_base_dir: Path) -> Base:
    return load_base(tiny_base_dir)


def clips_of(film: Path) -> list[Clip]:
    return [Clip(film, start, LENGTH, 8.0, SIZE) for start in range(0, FRAMES - LENGTH + 1, STRIDE)]


def encode(folder: Path, clips: list[Clip], base: Base, section: NoiseAugmentationSection) -> LatentCache:
    cache = LatentCache(folder, base, augmentation=section)
    assert VideoEncoder(cache, base, {}).encode(clips) == {}
    return cache


def strength_of(clip: EncodedClip) -> float:
    assert clip.conditions.time_ids is not None
    return clip.conditions.time_ids[0, 2].item()


def test_variants_come_with_the_clips_from_one_reading(
    film: Path, base: Base, tmp_path: Path, decoded: list[int]
) -> None:
    clips = clips_of(film)
    cache = encode(tmp_path / "once", clips, base, VARIANTS)
    assert decoded == list(range(FRAMES))
    later = encode(tmp_path / "later", clips, base, NoiseAugmentationSection())
    del decoded[:]
    later = encode(tmp_path / "later", clips, base, VARIANTS)
    assert decoded == [clip.start for clip in clips]  # what is there already is not made anew
    strengths = set()
    for clip in clips:
        clean = cache.read(clip)
        assert strength_of(clean) == 0
        for number in range(VARIANTS.variants):
            one, other = cache.read(clip, number), later.read(clip, number)
            strengths.add(strength_of(one))
            assert strength_of(one) == strength_of(other) > 0
            assert torch.equal(one.conditions.first_frame, other.conditions.first_frame)
            assert not torch.equal(one.conditions.first_frame, clean.conditions.first_frame)
            assert torch.equal(one.conditions.tokens, clean.conditions.tokens)  # of the clean image
            assert torch.equal(one.latents, clean.latents)
    assert len(strengths) == VARIANTS.variants * len(clips)
    stored = sum(path.stat().st_size for path in (tmp_path / "once").rglob("*.safetensors"))
    assert cache_bytes(base, clips, VARIANTS.variants) == pytest.approx(stored, rel=0.1)


def test_the_network_is_told_the_noise_that_there_is(film: Path, base: Base, tmp_path: Path) -> None:
    (clip, *_) = clips_of(film)
    apart = []
    for mean in (-12.0, -3.0, -1.0):
        cache = encode(tmp_path, [clip], base, NoiseAugmentationSection(variants=2, mean=mean, std=0.0))
        noisy, clean = cache.read(clip, 1), cache.read(clip)
        assert log(strength_of(noisy)) == pytest.approx(mean, abs=1e-5)
        apart.append((noisy.conditions.first_frame - clean.conditions.first_frame).square().mean().sqrt().item())
    assert apart[0] < 1e-3 < apart[1] < apart[2]


def test_the_extension_remembers_the_usual_strength(
    make_config: MakeConfig, film: Path, base: Base, tmp_path: Path
) -> None:
    clips = clips_of(film)
    data = Data(encode(tmp_path / "cache", clips, base, VARIANTS), clips, [], film.parent)
    for variants in (0, 3):
        config = load_config(make_config(**{"noise_augmentation.variants": variants}))
        strength = how_trained(config, base, data)["sampling"]["noise_aug_strength"]
        assert (0.01 < strength < 0.2) if variants else strength == 0


def test_strengths_are_those_of_svd() -> None:
    file = EncodedFile(Path("a"))
    shape = torch.Size([8])
    drawn = [variant_noise(file, place, number, VARIANTS, shape) for place in range(250) for number in range(8)]
    logs = torch.tensor([log(strength) for _, strength in drawn])
    assert logs.mean().item() == pytest.approx(-3, abs=0.04)  # of 2000, three and a half deviations
    assert logs.std().item() == pytest.approx(0.5, abs=0.03)
    noise = torch.cat([values for values, _ in drawn])
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    other = variant_noise(EncodedFile(Path("b")), 0, 0, VARIANTS, shape)
    assert not torch.equal(other[0], drawn[0][0])


def test_a_base_that_is_told_no_first_frame_refuses_it(make_config: MakeConfig) -> None:
    config = load_config(make_config(**{"noise_augmentation.variants": 8}))
    told_none: Any = SimpleNamespace(default_size=None, size_multiple=8)
    with pytest.raises(UserError, match=r"noise_augmentation\.variants=8 puts noise on the first frame, .*: set it"):
        completed(config, told_none)
    assert completed(load_config(make_config()), told_none).data.size == (32, 32)
