"""From a folder of videos to clips, and the base of films that is extended on them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from exvideo_infer.video_file import probe, read_clip
from exvideo_train.data.motion import motion_bucket, motion_score

from demo.film import WEIGHTS
from demo.job import NUM_FRAMES, Job
from demo.own_footage.footage import Footage, cut_footage
from demo.stages import Stages

# Beside the steps, where a clip forward and back on each of two cores at once takes a second: of each clip that is held
# out (encoded, generated twice, its loss told, judged), of each that is trained on (encoded), and of the rest. In
# all they come to what 19 and 62 clips took on an AMD EPYC, about 300 s at 0.3 s a clip; the shares are a guess.
SECONDS, SECONDS_HELD_OUT, SECONDS_TO_ENCODE = 60, 20, 6


def prepare(stages: Stages, videos: Sequence[Path], output: Path) -> Job:
    """Cuts the footage, in a stage.

    Raises:
        FootageError: if nothing is left to train on or nothing to hold out.
    """
    with stages.stage("Footage: real videos cut into 64x64 clips", 5):
        footage = cut_footage(videos, output / "footage")
        report_footage(footage)
    return job_of(footage, output)


def job_of(footage: Footage, output: Path) -> Job:
    """The job of extending the base of films on clips in `output/footage`."""
    motion = usual_motion(footage.train)
    of_a_second = SECONDS_HELD_OUT * len(footage.held_out) + SECONDS_TO_ENCODE * len(footage.train)

    def arguments_of(clip: Path) -> dict[str, Any]:
        return {"fps": probe(clip).fps, "motion_bucket_id": motion}

    return Job(
        base=str(WEIGHTS),
        recipe=Path(__file__).with_name("post_tune.yaml"),
        train=output / "footage" / "train",
        held_out=output / "footage" / "held_out",
        arguments_of=arguments_of,
        beside=lambda elapsed, clip: elapsed + SECONDS + clip * of_a_second,
    )


def report_footage(footage: Footage) -> None:
    """Prints how much there is, and what was left out."""
    for note in footage.notes:
        print(f"  {note}")
    print(f"  {len(footage.train)} clips to train on, {len(footage.held_out)} held out, at {footage.fps:g} fps")


def usual_motion(clips: Sequence[Path]) -> int:
    """The median motion bucket of the training clips: what is asked for, so that no held-out clip's own is told."""
    scores = [motion_score(read_clip(clip, num_frames=NUM_FRAMES).float() / 127.5 - 1) for clip in clips]
    return int(median(motion_bucket(score) for score in scores))
