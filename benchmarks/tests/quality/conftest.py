"""A pipeline and a few real clips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import LEVELS
from exvideo_infer import ExVideoPipeline

from benchmarks.quality.parts import register
from tiny_world.truth.measured_set import read_truth
from tiny_world.world.clip_files import ClipFile, write_clips

FRAMES = 12


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[ClipFile]:
    """Two clips of the validate split's combinations, and of no protocol's world seed."""
    folder = tmp_path_factory.mktemp("real")
    list(write_clips(folder, 2, FRAMES, 5, "validate"))
    return read_truth(folder)


@pytest.fixture
def pipe() -> Any:
    """The embedded model, in float32 on one thread."""
    pipe = ExVideoPipeline.from_pretrained("embedded")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the moments of latents."""
    return tmp_path_factory.mktemp("moments")


@pytest.fixture
def registered() -> Iterator[None]:
    """The benchmark's own levels, for one test."""
    known = dict(LEVELS)
    register()
    yield
    LEVELS.clear()
    LEVELS.update(known)
