"""The base of films: scenes drawn as squares, and both networks trained on them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer.encoders import embed_image, encode_clip

from demo.film import base
from demo.film.base import Scene, begin_with, encoded
from demo.film.run import untrained
from tiny_world.system.video import Windows


@pytest.fixture
def scene() -> Scene:
    """Frames whose red is their number, and whose green is the column."""
    frames = torch.zeros(40, 3, 64, 96, dtype=torch.uint8)
    frames[:, 0] = torch.arange(40)[:, None, None]
    frames[:, 1] = torch.arange(96)
    return Scene(frames, 24.0)


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    return untrained()[0]


def test_a_square_is_of_its_columns_and_frames(scene: Scene) -> None:
    square = (scene.square(8, False, slice(3, 20, 5)) + 1) * 127.5
    assert square.shape == (4, 3, 64, 64)
    assert square[:, 0, 0, 0].round().tolist() == [3, 8, 13, 18]
    assert square[0, 1, 0].round().tolist() == list(range(8, 72))
    assert torch.equal(scene.square(8, True), scene.square(8, False).flip(-1))
    assert scene.slack == 32


def test_a_network_begins_with_the_weights_of_one_of_fewer_latent_channels() -> None:
    components, embedded = untrained()
    left = begin_with(components["vae"], embedded.vae.state_dict())
    assert left == [
        "decoder.conv_in.weight", "encoder.conv_out.bias", "encoder.conv_out.weight", "quant_conv.bias",
        "quant_conv.weight",
    ]  # fmt: skip
    own, known = components["vae"].state_dict(), embedded.vae.state_dict()
    assert all(torch.equal(own[name], known[name]) for name in own.keys() - {*left})
    assert begin_with(components["unet"], embedded.network.state_dict()) == [
        "conv_in.weight", "conv_out.bias", "conv_out.weight"
    ]  # fmt: skip


def test_a_picture_that_comes_back_nearly_has_many_decibels(scene: Scene) -> None:
    class Nearly:
        """Gives back what it gets, a hundredth of the whole range darker."""

        def encode(self, pixels: torch.Tensor) -> Any:
            return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: pixels - 0.02))

        def decode(self, latents: torch.Tensor, num_frames: int) -> Any:
            return SimpleNamespace(sample=latents)

    bright = Scene(scene.frames.clamp(min=50), 24.0)
    assert base.decibels(Nearly(), [bright, bright]) == pytest.approx(40, abs=0.01)


def test_what_is_encoded_is_what_a_sampler_sees(scene: Scene, components: dict[str, Any], tmp_path: Path) -> None:
    few = Scene(scene.frames[:3], 24.0)
    for _ in range(2):  # the second time from the file
        (found,) = encoded(components, [few], tmp_path)
    assert found["latents"].shape == (6, 3, base.LATENT_CHANNELS, 8, 8)
    pixels = few.square(16, True)  # the fourth: the middle of three, mirrored
    latents = encode_clip(components["vae"], pixels[None])[0]
    torch.testing.assert_close(found["latents"][3].float(), latents, atol=0.01, rtol=0.01)
    tokens = embed_image(components["image_encoder"], components["feature_extractor"], pixels)
    torch.testing.assert_close(found["tokens"][3].float(), tokens, atol=0.01, rtol=0.01)


def test_windows_are_told_the_rate_that_is_left(
    scene: Scene, components: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Windows] = []

    def windows_of(unet: Any, windows: Any, *_: Any) -> None:
        drawn.extend(windows(np.random.default_rng(number), 1) for number in range(60))

    numbers = torch.arange(40.0)[None, :, None, None, None].expand(6, -1, base.LATENT_CHANNELS, 8, 8)
    told = {"latents": numbers, "tokens": torch.ones(6, 40, 1, 64)}
    monkeypatch.setattr(base, "encoded", lambda *_: [told])
    monkeypatch.setattr(base, "train_on_windows", windows_of)
    base.train_unet(components, [scene], tmp_path, base.UNET)
    seen, kept = set(), []
    for windows in drawn:
        places = windows.latents[0, :, 0, 0, 0]
        stride = int(places[1] - places[0])
        assert torch.equal(places.diff(), torch.full((7,), float(stride)))
        ids, first = windows.conditions.time_ids, windows.conditions.first_frame
        assert ids is not None
        assert first is not None
        assert ids[0, 0] == pytest.approx(24 / stride - 1)
        kept.append(bool(windows.conditions.tokens.any()))
        scale = components["vae"].config.scaling_factor
        assert float(first[0, 0, 0, 0]) == pytest.approx(float(places[0]) / scale * kept[-1])
        seen.add(stride)
    assert seen == {1, 2, 5}
    assert 0.75 < np.mean(kept) < 1


def test_both_networks_are_trained_and_go_on_where_they_were(
    scene: Scene, components: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "OFFSETS", 1)
    monkeypatch.setattr(base, "SCALED", 16)
    vae = replace(base.VAE, steps=3, checkpoint_every=1, log_every=1)
    for _ in range(2):
        base.train_vae(components["vae"], [scene], tmp_path / "vae", vae, clips_from=2)
    # Not fewer frames: PyTorch 2.13's gradient of a convolution over two is not finite in bfloat16 on some CPUs.
    unet = replace(base.UNET, steps=2, batch_size=2, checkpoint_every=1, log_every=1)
    base.train_unet(components, [Scene(scene.frames[:36], 24.0)], tmp_path / "unet", unet)
    assert len((tmp_path / "vae" / "losses.jsonl").read_text().splitlines()) == 3
    assert len((tmp_path / "unet" / "losses.jsonl").read_text().splitlines()) == 2
    frames = scene.square(0, False)[:16]
    assert float(encode_clip(components["vae"], frames[None]).std()) == pytest.approx(1, abs=0.4)
