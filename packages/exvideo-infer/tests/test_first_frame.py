"""Pictures as first frames: covered and cropped at the centre, and known again in files of other formats."""

from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.first_frame import cover, picture_hash
from PIL import Image


@pytest.mark.parametrize(("size", "wanted"), [((300, 100), (64, 64)), ((100, 300), (64, 96)), ((64, 64), (32, 64))])
def test_a_picture_covers_the_frame_with_its_centre(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, :, 0] = np.abs(np.linspace(-255, 255, size[0]))[None]  # dark in the middle, on both axes alike
    pixels[:, :, 1] = np.abs(np.linspace(-255, 255, size[1]))[:, None]
    made = np.asarray(cover(Image.fromarray(pixels), *wanted), int)
    assert made.shape == (*wanted, 3)
    assert np.abs(made - made[::-1, ::-1]).max() <= 6  # as much is cropped on either side
    assert made[wanted[0] // 2, wanted[1] // 2].max() < 20


def test_a_picture_has_one_hash_in_all_formats(tmp_path: Path) -> None:
    image = Image.linear_gradient("L").convert("RGB").resize((40, 24))
    for ending in ("png", "tiff", "bmp"):
        image.save(tmp_path / f"a.{ending}")
    hashes = {picture_hash(Image.open(tmp_path / f"a.{ending}").convert("RGB")) for ending in ("png", "tiff", "bmp")}
    assert hashes == {picture_hash(image)}
    for other in (image.rotate(180), image.convert("L")):
        assert picture_hash(other) != picture_hash(image)


def test_shape_and_pixels_are_both_hashed() -> None:
    flat = Image.new("RGB", (8, 2))
    assert picture_hash(flat) != picture_hash(Image.new("RGB", (2, 8)))
