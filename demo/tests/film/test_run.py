"""The base of films takes the clips of exvideo-prepare by their splits, and is written as a base is read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_infer import ExVideoPipeline
from exvideo_infer.video_file import write_video

from demo.film.run import read_scenes, untrained, write_base
from demo.job import FRAME_SIZE, NUM_FRAMES


def write_clips(folder: Path, height: int = FRAME_SIZE, width: int = 112, num_frames: int = NUM_FRAMES) -> Path:
    (folder / "clips").mkdir(parents=True)
    rows = []
    for number, split in enumerate(("train", "validation", "train")):
        frames = [np.full((height, width, 3), 40 * number, np.uint8)] * num_frames
        write_video(folder / "clips" / f"{number}.mp4", frames, fps=24)
        rows.append(json.dumps({"file": f"clips/{number}.mp4", "split": split}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def test_scenes_are_read_by_their_splits(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "cut")
    scenes = [read_scenes(clips, split) for split in ("train", "validation")]
    levels = [[round(float(scene.frames.float().mean())) for scene in some] for some in scenes]
    assert np.allclose(levels[0], [0, 80], atol=2)
    assert np.allclose(levels[1], [40], atol=2)
    assert scenes[0][0].frames.shape == (NUM_FRAMES, 3, FRAME_SIZE, 112)
    assert scenes[0][0].fps == 24


@pytest.mark.parametrize(
    ("height", "width", "num_frames"),
    [(FRAME_SIZE + 2, 112, NUM_FRAMES), (FRAME_SIZE, 62, NUM_FRAMES), (FRAME_SIZE, 112, NUM_FRAMES - 1)],
)
def test_clips_that_are_cut_otherwise_are_refused(tmp_path: Path, height: int, width: int, num_frames: int) -> None:
    clips = write_clips(tmp_path / "cut", height, width, num_frames)
    with pytest.raises(ValueError, match=r"0\.mp4 has .* frames of .*: cut it with exvideo-prepare --cut --size 64"):
        read_scenes(clips, "train")


def test_a_base_that_was_written_is_one_that_a_sampler_reads(tmp_path: Path) -> None:
    folder = write_base(untrained()[0], 24.0, tmp_path / "base")
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 12e6
    pipe = ExVideoPipeline.from_pretrained(str(folder))
    image = torch.rand(3, FRAME_SIZE, FRAME_SIZE)
    clip = pipe(image=image, num_frames=3, num_inference_steps=1, output_type="np").frames[0]
    assert np.asarray(clip).shape == (3, FRAME_SIZE, FRAME_SIZE, 3)
