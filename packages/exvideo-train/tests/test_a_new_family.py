"""The guide's family, two files outside of all packages, is trained by exvideo-train and sampled as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from exvideo_blocks import read_extension_header, read_safetensors

from .conftest import write_clip
from .test_loop import fresh_environment

GUIDE = (Path(__file__).parents[3] / "docs" / "adding-a-family.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, flags=re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the guide's files lie, beside videos, after the last of them has run."""
    folder = tmp_path_factory.mktemp("guide")
    for part, seeds in (("videos", range(4)), ("held_out", range(4, 6))):
        (folder / part).mkdir()
        for seed in seeds:
            write_clip(folder / part / f"{seed}.mp4", frames=28, seed=seed)
    for name, code in BLOCKS.items():
        (folder / name).write_text(code)
    assert list(BLOCKS) == ["small_video.py", "small_video_base.py", "run.py"]
    run(folder, "run.py")
    return folder


def run(folder: Path, script: str) -> None:
    command = [sys.executable, script]
    done = subprocess.run(command, cwd=folder, env=fresh_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_is_trained_saved_and_sampled(folder: Path) -> None:
    records = [json.loads(line) for line in (folder / "out" / "metrics.jsonl").read_text().splitlines()]
    held_out = [record["validation/loss"] for record in records if "validation/loss" in record]
    assert len(held_out) == 3
    assert held_out[-1] < 0.9 * held_out[0]
    assert {"validation/mse_sigma_0.5", "validation_base/mse_sigma_2"} < records[0].keys()
    header = read_extension_header(folder / "out" / "extension.safetensors")
    assert (header.family, header.base_frames, header.config.num_frames) == ("small-video", 8, 24)
    rows = read_safetensors(folder / "out" / "clip.safetensors")[0]["rows"]
    assert rows.shape == (1, 12, 12)
    assert rows.isfinite().all()
    assert rows.std() > 0.1


TRIALS = """
import json, shutil, sys
import torch, small_video_base
from exvideo_blocks import ExtensionConfig, extend, load_extension
from exvideo_infer import BaseModelError, Conditions, denoise, load_base
from exvideo_train import TrainConfig, UserError, train

def complaint(**changes):
    config = {"base": "base", "output": "refused", "extension": {"num_frames": 24, "level": "temporal"},
              "data": {"videos": "videos", "size": [32, 32]}, "optimizer": {"steps": 1}}
    try:
        train(TrainConfig.model_validate(config | changes))
    except (UserError, BaseModelError) as error:
        return str(error)

clips = []
for trained in (False, True):
    base = load_base("base")
    if trained:
        load_extension(base.network, "out/extension.safetensors")
    else:
        extend(base.network, ExtensionConfig(24, "temporal"))
    noise = torch.randn(1, 12, 12, generator=torch.Generator().manual_seed(0))
    clips.append(denoise(base.network, base.scheduler, noise, Conditions(torch.ones(1, 1, 12)), torch.ones(12), 5))
shutil.copytree("base", "v")
path = "v/scheduler/scheduler_config.json"
config = json.load(open(path)) | {"prediction_type": "v_prediction"}
json.dump(config, open(path, "w"))
json.dump({
    "change": (clips[0] - clips[1]).abs().max().item(),
    "frames": complaint(extension={"num_frames": 25, "level": "temporal"}),
    "level": complaint(extension={"num_frames": 24}),
    "lengths": complaint(data={"videos": "videos", "size": [32, 32], "lengths": [24, 15]}),
    "noise": complaint(noise={"distribution": "karras"}),
    "loss": complaint(loss={"weighting": "edm"}),
    "scheduler": complaint(base="v"),
}, open("trials.json", "w"))
"""


@pytest.mark.long
def test_what_was_trained_is_sampled_and_what_cannot_be_served_is_refused_before_anything_is_encoded(
    folder: Path,
) -> None:
    (folder / "trials.py").write_text(TRIALS)
    run(folder, "trials.py")
    found = json.loads((folder / "trials.json").read_text())
    assert found.pop("change") > 0.01
    for name, complaint in {
        "frames": "num_frames=25 is odd: give 24 or 26.",
        "lengths": "data.lengths: num_frames=15 is odd: give 14 or 16.",
        "level": "level='full' is not one that small-video models serve: choose one of",
        "noise": "distribution='karras' is no setting of this model's objective",
        "loss": "weighting='edm' is no setting of this model's objective: it has none",
        "scheduler": "DDIMScheduler, has prediction_type='v_prediction', but SmallVideo models predict 'epsilon': give",
    }.items():
        assert complaint in found[name]
    assert not (folder / "refused").exists()
