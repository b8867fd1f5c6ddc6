"""A maker of flat clips, slow enough to be killed: for tests of the runner, without a model.

    python sketch_maker.py FOLDER NUMBER_OF_CLIPS SECONDS_A_STEP

makes clips into the folder, and prints the name of each that it has made.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from exvideo_infer.jobs.job import Clip, Job
from exvideo_infer.jobs.maker import Watch
from exvideo_infer.jobs.run import make_all

FRAMES = 4


class SketchMaker:
    """Makes clips whose frames are grey by seed; a list of the names of those asked for is kept."""

    pipeline = SimpleNamespace(device="cpu", dtype="float32")
    model = "sketch"

    def __init__(self, seconds_a_step: float = 0.0) -> None:
        self.seconds_a_step = seconds_a_step
        self.asked: list[str] = []

    def resolve(self, job: Job) -> Clip:
        settings = {"prompt": job.prompt, "seed": job.seed, "num_frames": job.num_frames or FRAMES, "fps": 5.0}
        size = {"height": job.height or 16, "width": job.width or 16, "num_inference_steps": job.steps or FRAMES}
        return Clip(job, settings | size)

    def frames(self, clip: Clip, watch: Watch) -> Iterator[Any]:
        self.asked.append(clip.name(self.model))
        if clip.job.prompt == "fail":
            raise RuntimeError("something breaks")
        for _ in range(clip.settings["num_inference_steps"]):
            time.sleep(self.seconds_a_step)
            watch.step(FRAMES, {})
        for _ in range(clip.settings["num_frames"]):
            yield np.full((16, 16, 3), clip.job.seed * 10 % 256, dtype=np.uint8)


def clips_of(maker: SketchMaker, count: int) -> dict[str, Clip]:
    """Clips of one prompt with so many seeds, by name."""
    clips = [maker.resolve(Job("a grey wall", seed=seed)) for seed in range(count)]
    return {clip.name(maker.model): clip for clip in clips}


if __name__ == "__main__":
    maker = SketchMaker(float(sys.argv[3]))
    make_all(
        clips_of(maker, int(sys.argv[2])), Path(sys.argv[1]), maker, lambda name, *_: print(f"made {name}", flush=True)
    )
