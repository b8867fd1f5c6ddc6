"""Fixtures that every package's tests share: a small random base in the layout of Stable Video Diffusion."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # of NumPy, read as it is loaded, and of the processes that tests start

import gc
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch

WORDS = ("a", "red", "blue", "circle", "square", "moves", "left", "right")
TINY = {"unet_channels": (32, 64), "vae_channels": (32, 32, 32), "cross_attention_dim": 32}


def pytest_collection_finish() -> None:
    """Takes what was imported out of the garbage collector's sight: it looked at millions of objects each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # On networks this small a second thread mostly waits, for minutes where other programs want the cores too.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_flush() -> Iterator[None]:
    """Files of tests need not outlive a power cut: flushing thousands of them takes a disk half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def gone_reader() -> Callable[[], AbstractContextManager[None]]:
    """`with gone_reader():` makes `sys.stdout` and `sys.stderr` a pipe whose reader has gone, as after `| head`."""

    @contextmanager
    def gone() -> Iterator[None]:  # in the test itself: before it, pytest puts its own streams there
        reading, writing = os.pipe()
        os.close(reading)
        pipe = io.TextIOWrapper(io.FileIO(writing, "w"), encoding="utf-8", write_through=True)
        with pipe, redirect_stdout(pipe), redirect_stderr(pipe):
            yield

    return gone


@pytest.fixture
def tiny_unet() -> Callable[..., Any]:
    """Makes a small random UNet of any base length: tiny_unet(num_frames=8, seed=0, ...)."""
    from tiny_world.small_base import build_components

    def make(**options: Any) -> Any:
        return build_components(**(TINY | options))["unet"]

    return make


@pytest.fixture(scope="session")
def tiny_base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random base of 8 frames at 64x64 pixels, as `from_pretrained` reads it."""
    from tiny_world.small_base import build_components, save

    directory = tmp_path_factory.mktemp("tiny_base")
    save(build_components(**TINY), directory)
    return directory


@pytest.fixture(scope="session")
def tiny_animatediff_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random AnimateDiff of 32 rows at 32x32 pixels, as `from_pretrained` reads it."""
    from diffusers import AnimateDiffPipeline

    from tiny_world.small_base import build_animatediff

    directory = tmp_path_factory.mktemp("tiny_animatediff")
    AnimateDiffPipeline(**build_animatediff(WORDS)).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def make_transformer_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes folders with small random video transformers of diffusers, each once: make_transformer_dir("wan", ...).

    The options are those of `tiny_world.small_transformers`: of "wan", `experts=2`, `expand_timesteps=True`.
    """
    from tiny_world import small_transformers

    made: dict[str, Path] = {}

    def make(kind: str, **options: Any) -> Path:
        key = f"{kind} {sorted(options.items())}"
        if key not in made:
            made[key] = tmp_path_factory.mktemp(f"tiny_{kind}")
            small_transformers.build_pipeline(kind, WORDS, **options).save_pretrained(made[key])
        return made[key]

    return make
