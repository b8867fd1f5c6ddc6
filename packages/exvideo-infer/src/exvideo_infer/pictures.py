"""Pictures of any kind, in 8-bit RGB as a screen shows them; what has no one such picture is refused by name."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

MIN_SIDE = 2  # pixels: the image encoder's smoothing mirrors a picture at its edges
BACKGROUND = "white"
# First bytes of files that Pillow does not know.
HDR_FILES = {b"\x76\x2f\x31\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"#?RGBE": "Radiance HDR"}

# Errors of Pillow at damaged files, as bytes changed at random have shown.
_DAMAGE = (OSError, SyntaxError, EOFError, ValueError, TypeError, LookupError, RuntimeError, struct.error)

_log = logging.getLogger(__name__)
Color = str | tuple[int, int, int]


def read_image(path: str | Path, background: Color = BACKGROUND) -> Image.Image:
    """Reads the picture of a file: upright, in sRGB, of an animation the first frame.

    PNG and AVIF that are HDR (PQ, HLG) get the tones of a screen, as videos do; other colours are brought to sRGB by
    the profile in the file, if it has one.

    Args:
        path: PNG, JPEG, WebP, TIFF, or whatever else Pillow reads.
        background: what transparent parts show, as Pillow names colours.

    Raises:
        ValueError: there is no such file, it is no picture, is damaged, has a side of one pixel, or holds numbers that
            no white is named for (floating, or whole ones of 32 bits); one sentence.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no image file {path}.")
    with _readable(path), Image.open(path) as opened:
        number = getattr(opened, "n_frames", 1)
        if number > 1 and opened.format not in ("MPO", "PSD"):  # whose others are views and layers of the one
            _log.warning("%s holds %d pictures: the first is used.", path, number)
        opened.load()
        image = _hdr_in_screen_tones(path) or ImageOps.exif_transpose(opened)
        image.format = opened.format  # which copies do not have
    return as_rgb(_in_srgb(image, path), str(path), background)


def as_rgb(image: Image.Image, name: str, background: Color = BACKGROUND) -> Image.Image:
    """The picture in 8-bit RGB; one that is in RGB already, and opaque, is returned as it is.

    Args:
        image: of any of Pillow's modes. 16 bits of grey are scaled, not cut off; transparent parts show the background.
        name: of the picture, for errors.
        background: a colour, as Pillow names them.

    Raises:
        ValueError: a side has one pixel, or the mode has no picture on a screen.
    """
    if min(image.size) < MIN_SIDE:
        width, height = image.size
        raise ValueError(f"{name} is {width}x{height}: give a picture of at least {MIN_SIDE}x{MIN_SIDE} pixels.")
    if image.mode.startswith("I"):
        image = _from_16_bits(image, name)
    if image.mode == "F":
        raise ValueError(f"{name} has floating numbers, as HDR pictures have: map its tones to 8 or 16 bits first.")
    if image.mode == "LAB":
        raise ValueError(f"{name} is in L*a*b*: convert it to RGB first.")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    behind = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(behind, image.convert("RGBA")).convert("RGB")


def _from_16_bits(image: Image.Image, name: str) -> Image.Image:
    """Grey of 16 bits in 8: 65535 is white."""
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # these scale to 16 bits
        raise ValueError(f"{name} has whole numbers of 32 bits, none of them known to be white: save it with 16.")
    values = np.asarray(image).astype(np.float64)
    grey = Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _in_srgb(image: Image.Image, path: Path) -> Image.Image:
    """Colours by the profile that a file has, such as a phone's Display P3 or a printer's CMYK."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        shown = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError) as error:
        _log.warning("%s has a colour profile that cannot be used (%s): its colours are taken for sRGB.", path, error)
        return image
    assert shown is not None
    return shown


def _hdr_in_screen_tones(path: Path) -> Image.Image | None:
    """The picture of an HDR file that FFmpeg reads; None for all others."""
    from exvideo_infer.video_file import VideoError, is_hdr, iter_frames

    with path.open("rb") as file:
        head = file.read(1 << 16)
    if b"cICP" not in head and b"ftypavi" not in head[:12]:  # a PNG that says so; an AVIF
        return None
    try:
        return Image.fromarray(next(iter_frames(path, 0, 1))) if is_hdr(path) else None
    except VideoError:
        return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large a picture: make it smaller ({error}).") from error
    except _DAMAGE as error:
        with path.open("rb") as file:
            head = file.read(16)
        for start, kind in HDR_FILES.items():
            if head.startswith(start):
                raise ValueError(f"{path} is {kind}, an HDR picture: map its tones, and save it as PNG.") from error
        raise ValueError(f"{path} cannot be read as an image: give a PNG, JPEG or other picture ({error}).") from error
