"""The guide's transformer, two files outside of all packages, is trained by exvideo-train and sampled as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from exvideo_blocks import read_extension_header, read_safetensors

from .conftest import write_clip
from .test_loop import fresh_environment

GUIDE = (Path(__file__).parents[3] / "docs" / "adding-a-transformer.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, flags=re.DOTALL))


@pytest.mark.long
def test_it_is_trained_saved_and_sampled(tmp_path: Path) -> None:
    assert list(BLOCKS) == ["small_model.py", "small_transformer.py", "run.py"]
    for part, seeds in (("videos", range(4)), ("held_out", range(4, 6))):
        (tmp_path / part).mkdir()
        for seed in seeds:
            write_clip(tmp_path / part / f"{seed}.mp4", frames=28, seed=seed)
    for name, code in BLOCKS.items():
        (tmp_path / name).write_text(code)
    command = [sys.executable, "run.py"]
    done = subprocess.run(command, cwd=tmp_path, env=fresh_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    held_out = [record["validation/loss"] for record in records if "validation/loss" in record]
    assert len(held_out) == 3
    assert held_out[-1] < 0.9 * held_out[0]
    header = read_extension_header(tmp_path / "out" / "extension.safetensors")
    assert (header.family, header.base_frames, header.config.num_frames) == ("small-transformer", 9, 25)
    offsets = read_safetensors(tmp_path / "out" / "extension.safetensors")[0]["rope.angle_offsets.weight"]
    assert offsets.shape == (7, 16)
    assert offsets.any()
    rows = read_safetensors(tmp_path / "out" / "clip.safetensors")[0]["rows"]
    assert rows.shape == (1, 7, 12)
    assert rows.isfinite().all()
    assert rows.std() > 0.1
