"""Pictures as first frames of a clip: its size, and a hash of them."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def cover(image: "Image", height: int, width: int) -> "Image":
    """Resized so that it covers the frame and cropped at its centre, as the training clips are."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def picture_hash(image: "Image") -> str:
    """A hash of a picture's pixels: the same for the same picture in files of other formats."""
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
