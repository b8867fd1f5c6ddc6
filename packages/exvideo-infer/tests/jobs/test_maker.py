import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.maker import CancelledError, PipelineMaker, Watch
from PIL import Image

SMALL = {"height": 16, "width": 24, "steps": 2, "num_frames": 3}


def frames_of(maker: PipelineMaker, job: Job) -> "np.ndarray[Any, Any]":
    return np.stack(list(maker.frames(maker.resolve(job), Watch())))


def test_a_clip_is_the_pipeline_s_own(text_pipe: ExVideoPipeline) -> None:
    """The first frame, which the maker has made to watch it, takes nothing from the clip."""
    made = frames_of(PipelineMaker(text_pipe), Job("a red circle", seed=3, **SMALL))
    generator = torch.Generator().manual_seed(3)
    call = {"height": 16, "width": 24, "num_inference_steps": 2, "num_frames": 3, "generator": generator}
    expected = text_pipe(prompt="a red circle", **call).frames[0]
    assert np.array_equal(made, np.stack([np.asarray(frame) for frame in expected]))


def test_a_clip_without_the_extension_is_the_base_s(
    pipe: ExVideoPipeline, extension_file: Path, images: list[Image.Image], tmp_path: Path
) -> None:
    images[0].save(tmp_path / "first.png")
    job, bare = (Job(image=tmp_path / "first.png", **SMALL, extended=extended) for extended in (True, False))
    base = frames_of(PipelineMaker(pipe), job)
    pipe.load_extension(extension_file)
    maker = PipelineMaker(pipe)
    assert np.array_equal(frames_of(maker, bare), base)
    assert not np.array_equal(frames_of(maker, job), base)
    assert maker.resolve(bare).name("model") != maker.resolve(job).name("model")
    assert maker.resolve(Job(image=tmp_path / "first.png", extended=False)).settings["num_frames"] == 12
    longer = Job(image=tmp_path / "first.png", extended=False, num_frames=30)  # the base takes any length
    assert maker.resolve(longer).settings["num_frames"] == 30
    windowed = replace(longer, beyond="windows")
    assert maker.resolve(windowed).settings["evaluations_a_step"] == 7  # of the base's 8 frames, half of them shared
    with maker.pipeline.extension.disabled(), pytest.raises(ValueError, match="the extension has 12"):
        maker.resolve(replace(longer, extended=True))  # while another clip is made without it


def test_the_model_s_hash_is_of_its_weights(pipe: ExVideoPipeline, extension_file: Path) -> None:
    base = PipelineMaker(pipe).model
    assert base == PipelineMaker(pipe).model
    pipe.load_extension(extension_file)
    assert PipelineMaker(pipe).model != base
    pipe.unload_extension()
    assert PipelineMaker(pipe).model == base
    pipe.to(torch.bfloat16)
    assert PipelineMaker(pipe).model != base


@pytest.mark.parametrize("when", ["first frame", "steps", "frames"])
def test_a_clip_can_be_cancelled_at_every_stage(text_pipe: ExVideoPipeline, when: str) -> None:
    maker = PipelineMaker(text_pipe)
    watch = Watch(cancelled=threading.Event())
    if when == "first frame":
        watch.cancelled.set()
    elif when == "steps":
        watch.on_step = lambda *_: watch.cancelled.set()
    frames = maker.frames(maker.resolve(Job("a red circle", **SMALL)), watch)
    if when == "frames":
        next(frames)
        watch.cancelled.set()
    start = time.monotonic()
    with pytest.raises(CancelledError):
        next(frames)
    assert time.monotonic() - start < 30
    assert len(watch.step_times) == {"first frame": 0, "steps": 1, "frames": 2}[when]
