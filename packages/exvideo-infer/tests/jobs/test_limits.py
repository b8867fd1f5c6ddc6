import pytest
from exvideo_infer.jobs.job import Clip, Job
from exvideo_infer.jobs.limits import Limits

SETTINGS = {"height": 64, "width": 64, "num_frames": 100, "num_inference_steps": 25}


def test_a_clip_is_bound_by_its_size_and_by_its_work() -> None:
    limits = Limits(pixels=64 * 64, frames=100, steps=50)
    job = Job("a")
    limits.check(Clip(job, SETTINGS))
    limits.check(Clip(job, SETTINGS, evaluations=50, longest=100))
    limits.check(Clip(job, SETTINGS, evaluations=625, longest=8))  # windows, half of each shared
    for name in SETTINGS:
        with pytest.raises(ValueError, match="this server makes clips of up to"):
            limits.check(Clip(job, SETTINGS | {name: 101}))
    with pytest.raises(ValueError, match="takes 2325 evaluations of 8 frames, and this server makes up to 50 of 100"):
        limits.check(Clip(job, SETTINGS, evaluations=2325, longest=8))  # all but one frame of each shared
