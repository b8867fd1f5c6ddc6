"""The demo on a film takes the clips of exvideo-prepare by their splits, and its recipe is one of exvideo-train."""

import json
from pathlib import Path

import numpy as np
import pytest
from exvideo_infer.video_file import write_video
from exvideo_train.config import load_config

from demo.film import run
from demo.film.run import linked_footage
from demo.job import FRAME_SIZE, NUM_FRAMES, Job
from demo.own_footage.footage import FootageError
from demo.run import write_recipe


def write_clips(folder: Path, size: int = FRAME_SIZE, num_frames: int = NUM_FRAMES) -> Path:
    (folder / "clips").mkdir(parents=True)
    rows = []
    for number, split in enumerate(("train", "validation", "train")):
        frames = [np.full((size, size, 3), 40 * number, np.uint8)] * num_frames
        write_video(folder / "clips" / f"{number}.mp4", frames, fps=24)
        rows.append(json.dumps({"file": f"clips/{number}.mp4", "split": split}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def test_clips_are_taken_by_their_splits(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "cut")
    for _ in range(2):  # started again
        footage = linked_footage(clips, tmp_path / "footage")
    assert [path.name for path in footage.train] == ["0.mp4", "2.mp4"]
    assert [path.name for path in footage.held_out] == ["1.mp4"]
    assert footage.fps == 24
    assert all(path.resolve().parent == clips / "clips" for path in (*footage.train, *footage.held_out))


@pytest.mark.parametrize(("size", "num_frames"), [(FRAME_SIZE + 2, NUM_FRAMES), (FRAME_SIZE, NUM_FRAMES - 1)])
def test_clips_that_are_cut_otherwise_are_refused(tmp_path: Path, size: int, num_frames: int) -> None:
    clips = write_clips(tmp_path / "cut", size, num_frames)
    with pytest.raises(FootageError, match=r"0\.mp4 has .* frames of .*: cut it with exvideo-prepare --cut --size 64"):
        linked_footage(clips, tmp_path / "footage")


def test_the_recipe_is_one_that_exvideo_train_takes(tmp_path: Path) -> None:
    recipe = Path(str(run.__file__)).with_name("post_tune.yaml")
    job = Job("base", recipe, tmp_path / "train", tmp_path / "held_out", arguments_of=lambda clip: {})
    config = load_config(write_recipe(job, tmp_path, dict))
    assert config.extension.num_frames == NUM_FRAMES
    assert config.optimizer.steps is not None
    assert config.optimizer.steps >= 500
