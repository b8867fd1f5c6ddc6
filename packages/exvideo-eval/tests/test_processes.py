"""Two processes that share the files find what one finds."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.results import Result
from torch import Tensor, nn

pytestmark = pytest.mark.long


class Levels(nn.Module):
    """Two numbers a clip, in I3D's manner."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return torch.stack([x.double().flatten(1).mean(dim=1), x.double().flatten(1).std(dim=1)], dim=1)


@pytest.fixture
def base_clips(clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]) -> Path:
    """Four clips of 5 frames, as if the base had made them."""
    for seed in range(4):
        write_video(clip_folders / "base" / f"{seed}.mp4", moving_clip(seed, num_frames=5))
    return clip_folders / "base"


def judge(
    folder: Path, output: Path, *launcher: str, features: str, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    folders = [f"--{name}={folder / name}" for name in ("real", "generated")]
    command = [*launcher, "-m", "exvideo_eval", *folders, f"--baseline={folder / 'frozen'}", f"--output={output}"]
    options = [f"--features={features}", "--window=4", "--resamples=20", *options]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("features", ["random3d", "transnetv2"])
def test_one_process_and_two_agree(clip_folders: Path, features: str) -> None:
    (clip_folders / "generated" / "bad.mp4").write_bytes(b"no video")
    results = []
    for launcher in ((sys.executable,), ("torchrun", "--standalone", "--nproc-per-node=2")):
        output = clip_folders / f"by_{len(launcher)}" / "report"
        launcher = (sys.executable, "-m", "torch.distributed.run", *launcher[1:]) if len(launcher) > 1 else launcher
        done = judge(clip_folders, output, *launcher, features=features)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("bad.mp4: is corrupt") == 1
        assert done.stdout.count("Report: ") == 1
        results.append([Result.load(output / f"{name}.json") for name in ("report", "baseline")])
    for one, two in zip(*results, strict=True):
        assert one.protocol == two.protocol
        assert one.skipped == two.skipped
        values = [{metric.name: metric.value for metric in result.metrics} for result in (one, two)]
        assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)


def test_distances_of_parts_of_one_process_and_two_agree(clip_folders: Path, base_clips: Path) -> None:
    (base_clips / "bad.mp4").write_bytes(b"no video")
    results = []
    for launcher in ((), ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")):
        output = clip_folders / f"by_{len(launcher)}" / "report"
        options = (f"--base-clips={base_clips}", f"--batch-size={len(launcher) + 1}")
        done = judge(clip_folders, output, sys.executable, *launcher, features="random3d", options=options)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("bad.mp4: is corrupt") == 1
        results.append([Result.load(output / f"{name}.json") for name in ("report", "baseline", "against_baseline")])
    for one, two in zip(*results, strict=True):
        assert one.protocol == two.protocol
        assert any("by third" in metric.name for metric in one.metrics)
        values = [{metric.name: metric.value for metric in result.metrics} for result in (one, two)]
        assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)


def test_published_measures_of_one_process_and_two_agree(clip_folders: Path) -> None:
    network = clip_folders / "network.pt"
    torch.jit.script(Levels()).save(str(network))
    pinned = f"--network-sha256=i3d={hashlib.sha256(network.read_bytes()).hexdigest()}"
    measures = ["--measure=fvd:common-metrics", "--measure=fvd:tf-original", "--allow-fewer", "--surrogate=i3d=levels"]
    two_processes = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    results = []
    for launcher in ((sys.executable,), (sys.executable, *two_processes)):
        output = clip_folders / f"by_{len(launcher)}" / "report"
        options = (*measures, f"--network=i3d={network}", pinned)
        done = judge(clip_folders, output, *launcher, features="random3d", options=options)
        assert done.returncode == 0, done.stderr
        assert (
            len(list((output.parent / "report-cache" / "published").rglob("*.safetensors"))) == 24
        )  # files x measures
        results.append([Result.load(output / f"{name}.json") for name in ("report", "baseline")])
    for one, two in zip(*results, strict=True):
        assert one.protocol == two.protocol
        values = [{metric.name: metric.value for metric in result.metrics} for result in (one, two)]
        assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)


def test_one_error_ends_all(clip_folders: Path) -> None:
    for path in (clip_folders / "real").iterdir():
        path.write_bytes(b"no video")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    done = judge(clip_folders, clip_folders / "report", *torchrun, features="random3d")
    assert done.returncode != 0
    assert done.stderr.count("exvideo-eval: None of the 4 files of real clips") == 1
