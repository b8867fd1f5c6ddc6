"""Each protocol's pixels, as a network of its call convention gets them, beside an independent account of them.

The account is the authors' own code where that is a package, and else arithmetic in numpy that shares nothing with
ours.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_eval.features.published.loading import load_network
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocols.catalogue import PROTOCOLS
from exvideo_eval.protocols.extraction import Extractor
from exvideo_eval.protocols.pixels import tensorflow_bilinear
from exvideo_eval.video_reader import Decoding

NEAR = 1e-5  # of a range of 2, in which a level of 255 is 0.008: what single precision makes of one definition
Frames = np.ndarray  # uint8 (frames, height, width, 3)
Peer = Callable[[str], Any]


def given_to_network(name: str, folder: Path, network: PinnedFile) -> tuple[np.ndarray, np.ndarray]:
    """Flags, and input values (values,), that the network of a protocol got for the first real clip of a folder."""
    rule = PROTOCOLS[name].features
    loaded = load_network(rule.network, {rule.network: network}, {rule.network: "recorder"})
    features = Extractor(rule, loaded)("real", folder / "real").features[0][0]
    count = 4 if rule.sample == "clip" else 3
    return features[:count], features[count:]


def shown(folder: Path) -> Frames:
    return np.stack(list(Decoding(sorted((folder / "real").iterdir())[0]).frames()))


def drawn(name: str, folder: Path) -> Frames:
    """Those frames that the protocol takes of the first real clip."""
    first = sorted((folder / "real").iterdir())[0]
    frames = shown(folder)
    return frames[list(PROTOCOLS[name].features.frames.indices("real", len(frames), first.stem, 0))]


def channels_first(frames: np.ndarray) -> np.ndarray:
    """(frames, height, width, 3) to the values of (3, frames, height, width)."""
    return frames.transpose(3, 0, 1, 2).ravel()


def bilinear(frames: np.ndarray, height: int, width: int, half_pixel: bool = True) -> np.ndarray:
    """Bilinear resampling of (frames, height, width, 3) by its definition, in double precision."""

    def along(values: np.ndarray, new: int, axis: int) -> np.ndarray:
        old = values.shape[axis]
        places = (np.arange(new) + 0.5) * old / new - 0.5 if half_pixel else np.arange(new) * old / new
        places = places.clip(0, None)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, old - 1)
        part = (places - low).reshape([-1 if index == axis else 1 for index in range(values.ndim)])
        return values.take(low, axis) * (1 - part) + values.take(high, axis) * part

    return along(along(frames.astype(np.float64), height, 1), width, 2)


def centre(frames: np.ndarray, size: int) -> np.ndarray:
    top, left = (frames.shape[1] - size) // 2, (frames.shape[2] - size) // 2
    return frames[:, top : top + size, left : left + size]


def test_tf_original(clip_sets: Path, recorder: PinnedFile) -> None:
    flags, values = given_to_network("fvd:tf-original", clip_sets, recorder)
    expected = 2 * bilinear(drawn("fvd:tf-original", clip_sets), 224, 224, half_pixel=False) / 255 - 1
    assert flags.tolist() == [0, 0, 1, 0]
    assert len(drawn("fvd:tf-original", clip_sets)) == 20
    np.testing.assert_allclose(values, channels_first(expected), atol=NEAR)


@pytest.mark.parametrize("size", [(224, 224), (20, 50), (299, 31)])
def test_the_resizing_of_tensorflow_1_is_torch_fidelitys(peer: Peer, size: tuple[int, int]) -> None:
    reference = peer("torch_fidelity.interpolate_compat_tensorflow").interpolate_bilinear_2d_like_tensorflow1x
    frames = torch.randint(256, (2, 3, 32, 48), generator=torch.Generator().manual_seed(0)).float()
    torch.testing.assert_close(
        tensorflow_bilinear(frames, size), reference(frames, size, align_corners=False), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "expected"), [("fvd:stylegan-v", [1, 1, 1, 1]), ("video-inception-score", [0, 0, 0, 1])]
)
def test_whole_levels_go_in_as_they_are(clip_sets: Path, recorder: PinnedFile, name: str, expected: list[int]) -> None:
    flags, values = given_to_network(name, clip_sets, recorder)
    assert flags.tolist() == expected
    taken = drawn(name, clip_sets)
    assert len(taken) == 16
    np.testing.assert_array_equal(values, channels_first(taken))


def test_common_metrics(clip_sets: Path, recorder: PinnedFile) -> None:
    flags, values = given_to_network("fvd:common-metrics", clip_sets, recorder)
    unit = bilinear(shown(clip_sets) / 255, 224, 336)  # 32x48: the short side to 224
    assert flags.tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(values, channels_first((centre(unit, 224) - 0.5) * 2), atol=NEAR)


def test_videogpt(clip_sets: Path, recorder: PinnedFile) -> None:
    flags, values = given_to_network("fvd:videogpt", clip_sets, recorder)
    unit = bilinear(drawn("fvd:videogpt", clip_sets) / 255, 224, 336)
    assert flags.tolist() == [0, 0, 0, 0]  # its network is no TorchScript and takes no flags
    np.testing.assert_allclose(values, channels_first((centre(unit, 224) - 0.5) * 2), atol=NEAR)


def test_fastvideo(clip_sets: Path, recorder: PinnedFile) -> None:
    flags, values = given_to_network("fvd:fastvideo", clip_sets, recorder)
    expected = bilinear(shown(clip_sets)[:16] / 255 * 2 - 1, 224, 224)
    assert flags.tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(values, channels_first(expected), atol=NEAR)


@pytest.mark.parametrize("network", ["i3d", "videomae"])
def test_cd_fvd_is_its_authors_package(peer: Peer, clip_sets: Path, recorder: PinnedFile, network: str) -> None:
    name = "fvd:cd-fvd" if network == "i3d" else "fvd:cd-fvd-videomae"
    _, values = given_to_network(name, clip_sets, recorder)
    frames = torch.from_numpy(drawn(name, clip_sets))
    cropped = peer("cdfvd.utils.data_utils").preprocess(frames, 256)["video"]  # in [0, 1]
    levels = (cropped * 255).permute(1, 2, 3, 0).byte().numpy()
    if network == "i3d":
        expected = peer("cdfvd.third_party.i3d.utils").preprocess_i3d(levels[None])[0]
    else:
        theirs = peer("cdfvd.third_party.VideoMAEv2.utils")
        expected = theirs.resize(theirs.to_normalized_float_tensor(torch.from_numpy(levels)), (224, 224))
    np.testing.assert_allclose(values, expected.numpy().ravel(), atol=1e-6)


@pytest.mark.parametrize("name", ["fid", "kid", "mind", "fid-by-frame", "inception-score"])
def test_pictures_go_to_inception_as_they_are(clip_sets: Path, recorder_of_pictures: PinnedFile, name: str) -> None:
    flags, values = given_to_network(name, clip_sets, recorder_of_pictures)
    assert flags.tolist() == ([0, 1, 1] if name == "inception-score" else [1, 0, 1])
    np.testing.assert_array_equal(values, shown(clip_sets)[0].transpose(2, 0, 1).ravel())


def test_jedi_keeps_the_size_and_takes_imagenets_mean_and_deviation(clip_sets: Path, recorder: PinnedFile) -> None:
    _, values = given_to_network("jedi", clip_sets, recorder)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(values, channels_first((shown(clip_sets)[:16] / 255 - mean) / std), atol=NEAR)


def test_clip_resizes_as_pillow_does(clip_sets: Path, recorder_of_pictures: PinnedFile) -> None:
    from PIL import Image

    _, values = given_to_network("temporal-clip", clip_sets, recorder_of_pictures)
    picture = Image.fromarray(shown(clip_sets)[0]).resize((336, 224), Image.Resampling.BICUBIC)
    levels = centre(np.asarray(picture)[None], 224)[0].astype(np.float64)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    ours = values.reshape(3, 224, 224).transpose(1, 2, 0) * std + mean
    assert np.abs(ours * 255 - levels).max() < 1.01  # a level, where one of the two rounds the other way
