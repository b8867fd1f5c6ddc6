"""First frames from picture files."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def read_image(path: Path) -> "Image":
    """The picture of a file, upright, in RGB.

    Raises:
        ValueError: there is no such file, or it is no picture that can be read.
    """
    from PIL import Image, ImageOps

    if not path.is_file():
        raise ValueError(f"There is no image file {path}.")
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: give a PNG, JPEG or other picture ({error}).") from error


def cover(image: "Image", height: int, width: int) -> "Image":
    """Resized so that it covers the frame and cropped at its centre, as the training clips are."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def picture_hash(image: "Image") -> str:
    """A hash of a picture's pixels: the same for the same picture in files of other formats."""
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
