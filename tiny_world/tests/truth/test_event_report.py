"""Sets of clips with events, through files and the tracker: what keyframes lose is in the figures and the picture."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Result
from PIL import Image

from tiny_world.truth import keyframes
from tiny_world.truth.__main__ import main
from tiny_world.truth.event_figures import (
    EventSet,
    event_differences,
    event_figure,
    measure_events,
    read_event_truth,
)
from tiny_world.truth.event_measures import EVENT_MEASURES
from tiny_world.world.clip_files import write_clips, write_event_clips
from tiny_world.world.spec import EVENTS

MEASURE = {measure.key: measure for measure in EVENT_MEASURES}


def make(folder: Path, kinds: Sequence[str], durations: Sequence[int], clips: int, strides: Sequence[int]) -> None:
    """Real clips with events, and clips of their keyframes, in folders of one."""
    for kind in kinds:
        for duration in durations:
            list(write_event_clips(folder / "real", clips, 40, 5, "held_out", kind, duration))
    for every in strides:
        for between in keyframes.BETWEEN:
            options = ["--real", str(folder / "real"), "--every", str(every), "--between", between]
            assert keyframes.main([*options, "--output", str(folder / f"{between}{every}")]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    make(folder, ("blink", "turn"), (1, 12), clips=3, strides=(8,))
    return folder


@pytest.fixture(scope="module")
def sets(folder: Path) -> dict[str, EventSet]:
    real = read_event_truth(folder / "real")
    return {name: measure_events(name, folder / name, real) for name in ("real", "held8")}


def value(measured: EventSet, key: str, kind: str, duration: int) -> float:
    metric = event_figure(measured, MEASURE[key], (kind, duration)).metric()
    assert metric is not None
    return metric.value


def test_real_files_show_every_event(sets: dict[str, EventSet]) -> None:
    for kind in ("blink", "turn"):
        for duration in (1, 12):
            assert value(sets["real"], "seen", kind, duration) == 1
            assert value(sets["real"], "timing", kind, duration) < 0.5
            assert value(sets["real"], "displacement", kind, duration) < 0.3
            assert value(sets["real"], "displacement_elsewhere", kind, duration) < 0.3
            assert value(sets["real"], "presence", kind, duration) == 0
            assert value(sets["real"], "presence_elsewhere", kind, duration) == 0


def test_keyframes_lose_short_events_and_show_long_ones(sets: dict[str, EventSet]) -> None:
    for kind in ("blink", "turn"):
        assert value(sets["held8"], "seen", kind, 1) < 0.5
        assert value(sets["held8"], "seen", kind, 12) == 1
    assert value(sets["held8"], "presence", "blink", 1) > 0.5
    assert value(sets["held8"], "displacement", "turn", 1) > 8


def test_a_set_knows_its_dials(sets: dict[str, EventSet]) -> None:
    assert sets["real"].kinds == ("blink", "turn")
    assert sets["real"].durations("turn") == (1, 12)
    assert sets["real"].durations("bounce") == ()
    assert len(sets["real"].files) == 12
    figure = event_figure(sets["real"], MEASURE["seen"], ("turn", 1))
    assert figure.name == "events seen, turn of 1 frame"
    assert figure.weights.sum() == sets["real"].counts["seen"][sets["real"].at(("turn", 1))].sum() >= 6


def test_differences_are_of_clips_and_know_the_better_end(sets: dict[str, EventSet]) -> None:
    found = {one.figure: one for one in event_differences(sets["held8"], sets["real"])}
    assert found["displacement error in events, turn of 1 frame"].verdict == "worse"
    assert found["events seen, turn of 12 frames"].verdict == "undecided"
    assert found["events seen, turn of 1 frame"].value < -0.5
    assert found["events seen, turn of 1 frame"].clips == 3
    back = {one.figure: one for one in event_differences(sets["real"], sets["held8"])}
    assert back["displacement error in events, turn of 1 frame"].verdict == "better"


def test_the_command_writes_results_and_a_picture(tmp_path: Path) -> None:
    make(tmp_path, ("blink",), (1, 12), clips=3, strides=(8,))
    sets = [f"--set={name}={tmp_path / name}" for name in ("held8", "blended8")]
    options = ["--real", str(tmp_path / "real"), *sets, "--output", str(tmp_path), "--events", "--stride", "8"]
    assert main(options) == 0
    results = {name: Result.load(tmp_path / f"{name}.json") for name in ("real", "held8", "blended8")}
    assert {result.name for result in results.values()} == {"tiny-world events"}
    metric = results["blended8"].metric("events seen, blink of 12 frames")
    assert metric is not None
    assert metric.interval is not None
    assert results["blended8"].metric("events seen, blink of 1 frame, less that of held8") is not None
    curve = next(c for c in results["held8"].curves if c.name == "events seen, blink")
    assert curve.x == (1, 12)
    assert curve.y[0] < curve.y[1]
    picture = np.asarray(Image.open(tmp_path / "events.png").convert("L"))
    assert picture.shape[1] > 300
    assert picture.std() > 10


def test_clips_without_events_are_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(write_clips(tmp_path / "plain", 1, 4, 0, "train"))
    options = ["--real", str(tmp_path / "plain"), f"--set=x={folder / 'held8'}", "--output", str(tmp_path / "out")]
    assert main([*options, "--events"]) == 2
    assert "has no events" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    """Those of tiny_world/README.md, as a reader runs them from the repository, but that the output is elsewhere."""
    root = Path(__file__).parents[3]
    readme = (root / "tiny_world" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    for command in block.strip().splitlines():
        words = [sys.executable if word == "python" else word for word in shlex.split(command)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
        subprocess.run(words, cwd=tmp_path, env=environment, check=True)
    held = Result.load(tmp_path / "out" / "events" / "held.json")
    curve = next(curve for curve in held.curves if curve.name == "events seen, blink")
    assert curve.x == (1, 2, 4, 8, 12, 20)
    np.testing.assert_allclose(curve.y, (0.11, 0.21, 0.5, 1, 1, 1), atol=0.02)  # as the page says
    assert (tmp_path / "out" / "events" / "events.png").exists()


@pytest.mark.long
def test_what_keyframes_show_falls_with_the_duration_of_all_kinds(tmp_path: Path) -> None:
    make(tmp_path, tuple(EVENTS), (1, 4, 12), clips=6, strides=(2, 4, 8))
    real = read_event_truth(tmp_path / "real")
    whole = measure_events("real", tmp_path / "real", real)
    for kind in EVENTS:
        assert all(value(whole, "seen", kind, duration) == 1 for duration in (1, 4, 12))
        assert value(whole, "presence", kind, 4) == value(whole, "presence_elsewhere", kind, 4) == 0
    for every in (2, 4, 8):
        for between in keyframes.BETWEEN:
            strided = measure_events("strided", tmp_path / f"{between}{every}", real)
            for kind in EVENTS:
                shares = [value(strided, "seen", kind, duration) for duration in (1, 4, 12)]
                assert shares[0] < 0.85
                assert shares[0] < shares[2]
                assert shares[2] > 0.85
                assert every < 8 or shares[1] < 0.85
