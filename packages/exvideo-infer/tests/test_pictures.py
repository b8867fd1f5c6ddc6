"""Pictures of all kinds as first frames."""

import logging
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer import read_image
from PIL import Image, ImageCms

from tiny_world.camera_files import TO_2020, pq

HEIGHT, WIDTH = 30, 40


def scene() -> np.ndarray:
    """Red top left, blue bottom right, on a soft gradient."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], axis=-1).astype(np.uint8)
    picture[:8, :8], picture[-8:, -8:] = (220, 30, 30), (30, 30, 220)
    return picture


def read(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm"])
def test_grey_of_16_bits_is_scaled(tmp_path: Path, name: str) -> None:
    levels = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).round().astype(np.uint16)
    if name.endswith("pgm"):
        (tmp_path / name).write_bytes(b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(tmp_path / name)
    shown = read(tmp_path / name)
    assert np.abs(shown - levels[..., None] / 257).max() <= 0.5
    assert shown.min() == 0
    assert shown.max() == 255


def test_colour_of_16_bits_is_scaled(tmp_path: Path) -> None:
    pixels = (scene().astype(np.uint32) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    write_png(tmp_path / "deep.png", rows, bits=16)
    assert np.abs(read(tmp_path / "deep.png") - scene()).max() == 0


def write_png(path: Path, rows: bytes, bits: int, *chunks: tuple[bytes, bytes]) -> None:
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 2, 0, 0, 0)
    content = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
                   for kind, data in content)
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB with a colour", "16-bit grey with a level"])
def test_the_hidden_colour_does_not_show(tmp_path: Path, mode: str) -> None:
    """The left half is fully transparent, and holds another colour than the background."""
    path, options = tmp_path / "clear.png", {}
    hidden = (255, 0, 0) if "L" not in mode else (10, 10, 10)
    pixels = np.full((HEIGHT, WIDTH, 4), (60, 60, 60, 255), np.uint8)
    pixels[:, : WIDTH // 2] = (*hidden, 0)
    image = Image.fromarray(pixels)
    if mode == "LA":
        image = image.convert("LA")
    elif mode == "P":
        image = Image.new("P", (WIDTH, HEIGHT), 1)
        image.putpalette([*hidden, 60, 60, 60])
        image.paste(0, (0, 0, WIDTH // 2, HEIGHT))
        options = {"transparency": 0}
    elif mode.startswith("RGB with"):
        image, options = image.convert("RGB"), {"transparency": hidden}
    elif mode.startswith("16"):
        levels = np.full((HEIGHT, WIDTH), 60 * 257, np.uint16)
        levels[:, : WIDTH // 2] = 1234
        image, options = Image.fromarray(levels), {"transparency": 1234}
    image.save(path, **options)
    shown = read(path)
    assert (shown[:, : WIDTH // 2] == 255).all()
    assert (shown[:, WIDTH // 2 :] == 60).all()
    assert (np.asarray(read_image(path, background="black"))[:, : WIDTH // 2] == 0).all()


def test_half_transparent_parts_are_mixed_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "half.png")
    assert np.abs(read(tmp_path / "half.png") - 127).max() <= 1


@pytest.mark.parametrize("name", ["print.jpg", "print.tif"])
def test_cmyk_shows_its_colours(tmp_path: Path, name: str) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / name, **({"quality": 98} if "jpg" in name else {}))
    assert np.abs(read(tmp_path / name) - scene()).mean() < 3


@pytest.mark.parametrize("name", ["indexed.png", "indexed.gif"])
def test_a_palette_shows_its_colours(tmp_path: Path, name: str) -> None:
    Image.fromarray(scene()).quantize(256).save(tmp_path / name)
    assert np.abs(read(tmp_path / name) - scene()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright(tmp_path: Path, orientation: int) -> None:
    stored = {  # Exif 2.32, table 6: where the first row and column of what is stored belong
        1: scene(), 2: scene()[:, ::-1], 3: scene()[::-1, ::-1], 4: scene()[::-1], 5: scene().transpose(1, 0, 2),
        6: np.rot90(scene(), 1), 7: scene()[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(scene(), -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "phone.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "phone.png"), scene())


def test_a_colour_profile_is_heeded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Green and blue change places in a profile made for this; a broken one is passed over with a word."""
    Image.fromarray(scene()).save(tmp_path / "srgb.png", icc_profile=srgb_profile())
    np.testing.assert_array_equal(read(tmp_path / "srgb.png"), scene())
    swapped = bytearray(srgb_profile().replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be")))
    tags = struct.unpack(">I", swapped[128:132])[0]
    table = {bytes(swapped[at : at + 4]): at for at in range(132, 132 + 12 * tags, 12)}
    green, blue = table[b"gXYZ"], table[b"bXYZ"]
    swapped[green : green + 4], swapped[blue : blue + 4] = b"bXYZ", b"gXYZ"
    Image.fromarray(scene()).save(tmp_path / "swapped.png", icc_profile=bytes(swapped))
    assert np.abs(read(tmp_path / "swapped.png") - scene()[..., [0, 2, 1]]).max() <= 3
    Image.fromarray(scene()).save(tmp_path / "broken.png", icc_profile=b"no profile")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read(tmp_path / "broken.png"), scene())
    assert "broken.png has a colour profile that cannot be used" in caplog.text


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_an_hdr_png_has_the_tones_of_a_screen(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [64, 64, 64], [128, 128, 128], [180, 180, 180], [150, 100, 100]])
    light = (colours / 255) ** 2.4 @ TO_2020.T * 203  # a reference white of 203 cd/m2 (ITU-R BT.2408)
    row = np.repeat((pq(light) * 65535).round().astype(">u2"), WIDTH // 5, axis=0)
    rows = (b"\0" + row.tobytes()) * HEIGHT
    write_png(tmp_path / "hdr.png", rows, 16, (b"cICP", bytes([9, 16, 0, 1])))  # BT.2020, PQ, RGB, full range
    shown = read(tmp_path / "hdr.png")[HEIGHT // 2, WIDTH // 10 :: WIDTH // 5]
    assert np.abs(shown - colours).max() <= 16


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp", "moving.png", "pages.tif"])
def test_of_several_pictures_the_first_is_used_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    pictures = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if "webp" in name else {}
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **options)
    with caplog.at_level(logging.WARNING):
        assert (read(tmp_path / name) == (255, 0, 0)).all()
    assert f"{name} holds 3 pictures: the first is used" in caplog.text


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_a_picture_of_one_pixel_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "dot.png")
    with pytest.raises(ValueError, match=rf"dot\.png is {size[0]}x{size[1]}: give a picture of at least 2x2 pixels"):
        read_image(tmp_path / "dot.png")


def test_numbers_that_no_white_is_named_for_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 3.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"float\.tif has floating numbers, as HDR pictures have"):
        read_image(tmp_path / "float.tif")
    Image.fromarray(np.full((8, 8), 100_000, np.int32)).save(tmp_path / "long.tif")
    with pytest.raises(ValueError, match=r"long\.tif has whole numbers of 32 bits"):
        read_image(tmp_path / "long.tif")
    for start, kind in {b"\x76\x2f\x31\x01": "OpenEXR", b"#?RADIANCE\n": "Radiance HDR"}.items():
        (tmp_path / "hdr").write_bytes(start + bytes(100))
        with pytest.raises(ValueError, match=f"hdr is {kind}, an HDR picture: map its tones"):
            read_image(tmp_path / "hdr")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF"])
def test_damage_of_any_kind_is_named_or_read(tmp_path: Path, kind: str) -> None:
    """Cut short, and bytes changed, at many places: a sentence with the file's name, or a picture."""
    buffer, rng, path = BytesIO(), np.random.default_rng(0), tmp_path / "damaged"
    Image.fromarray(scene()).save(buffer, kind)
    whole = buffer.getvalue()
    complaints = []
    for trial in range(60):
        content = bytearray(whole)
        if trial < 20:
            content = content[: len(whole) * trial // 20]
        else:
            for place in rng.integers(0, len(whole), 1 + trial % 4):
                content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            assert read_image(path).mode == "RGB"
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) >= 4
    assert all(complaint.startswith(str(path)) and "\n" not in complaint for complaint in complaints)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.png"):
        with pytest.raises(ValueError, match=f"There is no image file {path}"):
            read_image(path)
