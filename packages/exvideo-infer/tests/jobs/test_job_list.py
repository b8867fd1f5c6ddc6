import json
from pathlib import Path

import pytest
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.job_list import read_jobs
from PIL import Image


def write(folder: Path, *lines: str) -> Path:
    path = folder / "list.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_rows_become_jobs_by_line(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "first.png")
    rows = (
        '{"prompt": "a 🔴\u2028ball", "seed": 3, "fps": null}',
        "",
        '{"image": "first.png", "num_frames": 5}',
        '{"prompt": "b", "steps": 2}',
    )
    jobs = read_jobs(write(tmp_path, *rows), {"steps": 4, "seconds": 2.0})
    assert jobs == {
        1: Job("a 🔴\u2028ball", seed=3, steps=4, seconds=2.0),
        3: Job(image=tmp_path / "first.png", num_frames=5, steps=4),  # its length, not the default's seconds
        4: Job("b", steps=2, seconds=2.0),
    }


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("[1]", r"'\[1\]' is no object"),
        ("{", "It is no JSON"),
        ('{"prompt": "a", "stepz": 3}', "The key 'stepz' is unknown"),
        ('{"prompt": "a", "prompt": "b"}', "The key 'prompt' stands twice"),
        ('{"prompt": "a", "steps": 2.5}', "steps is 2.5: give a whole number"),
        ('{"prompt": "a", "fps": NaN}', "fps is nan"),
        ('{"prompt": "a", "guidance_max": Infinity}', "guidance_max is inf"),
        ('{"prompt": "a", "seconds": 1, "num_frames": 8}', "give one of them"),
        ('{"seed": 1}', "Neither prompt nor image"),
        ('{"image": "absent.png"}', "There is no image file"),
        ('{"image": 7}', "image is 7: give text"),
    ],
)
def test_a_bad_row_is_refused_by_its_line(tmp_path: Path, row: str, sentence: str) -> None:
    path = write(tmp_path, json.dumps({"prompt": "good"}), "", row)
    with pytest.raises(ValueError, match=rf"list.jsonl, line 3: .*{sentence}"):
        read_jobs(path, {})


def test_lists_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no row"):
        read_jobs(write(tmp_path, "", " "), {})
    with pytest.raises(ValueError, match="cannot be read as a list"):
        read_jobs(tmp_path / "absent.jsonl", {})
    (tmp_path / "list.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="cannot be read as a list"):
        read_jobs(tmp_path / "list.jsonl", {})
