"""Clips of real keyframes alone, with nothing better in between: what no way of filling gaps can be worse than.

python -m tiny_world.truth.keyframes --real DIR --every K --between held|blended --output DIR
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from exvideo_infer.video_file import read_clip, write_video
from numpy.typing import NDArray

from tiny_world.truth.measured_set import read_truth
from tiny_world.world.spec import FPS

Frames = NDArray[np.uint8]  # (T, height, width, 3), RGB


def held(frames: Frames, every: int) -> Frames:
    """Every frame is the last keyframe: one of 0, every, 2 * every and so on."""
    return frames[np.arange(len(frames)) // every * every]


def blended(frames: Frames, every: int) -> Frames:
    """Every frame is the mean of the keyframes around it, weighted by nearness; after the last one, that."""
    number = np.arange(len(frames))
    before = number // every * every
    after = np.minimum(before + every, before[-1])
    weight = ((number - before) / every)[:, None, None, None]
    return np.round(frames[before] * (1 - weight) + frames[after] * weight).astype(np.uint8)


BETWEEN: dict[str, Callable[[Frames, int], Frames]] = {"held": held, "blended": blended}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes a clip for each real one; 0 if all are there, 2 (and one sentence on stderr) if they cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tiny_world.truth.keyframes", description=__doc__)
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="clips with their truth beside them")
    parser.add_argument("--every", type=int, required=True, metavar="K", help="frames from one keyframe to the next")
    parser.add_argument("--between", choices=tuple(BETWEEN), required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="made if it is not there")
    options = parser.parse_args(arguments)
    try:
        if options.every < 1:
            raise ValueError(f"--every is {options.every}: give at least 1.")
        clips = read_truth(options.real)
        options.output.mkdir(parents=True, exist_ok=True)
        for clip in clips:
            frames = read_clip(clip.path).permute(0, 2, 3, 1).numpy()
            write_video(options.output / clip.path.name, BETWEEN[options.between](frames, options.every), FPS)
    except (ValueError, OSError) as error:
        print(f"keyframes: {error}", file=sys.stderr)
        return 2
    print(f"{options.output}: {len(clips)} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
