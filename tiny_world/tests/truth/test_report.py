"""Clips that are wrong in one known way show it in the row that is named after it, and in no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Metric, Result
from exvideo_eval.verdict import Margin
from exvideo_infer.video_file import read_clip, write_video
from PIL import Image

from tiny_world.truth.__main__ import main
from tiny_world.truth.event_measures import EVENT_MEASURES
from tiny_world.truth.figures import MEASURES, Figure, differences, figures
from tiny_world.truth.measured_set import MOVING_KINDS, MeasuredSet, measure, read_truth
from tiny_world.world.clip_files import ClipFile, write_clips
from tiny_world.world.spec import FPS, FRAME_SIZE

NUM_FRAMES = 30
Frames = np.ndarray  # uint8 (frames, height, width, 3)
CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "frozen": lambda frames: np.repeat(frames[:1], len(frames), axis=0),
    "dim": lambda frames: (frames * 0.8).astype(np.uint8),
    "short": lambda frames: frames[:8],
    "empty": lambda frames: np.full_like(frames, 30),
    "recoloured": lambda frames: np.concatenate([frames[:15], frames[15:, :, :, [2, 0, 1]]]),
    "doubled": lambda frames: np.concatenate([frames[:15], np.maximum(frames, np.roll(frames, 32, axis=1))[15:]]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven real clips, one of each kind of motion, and a folder of each change of them."""
    folder = tmp_path_factory.mktemp("clips")
    for path, _ in write_clips(folder / "real", 7, NUM_FRAMES, seed=5, split="held_out"):
        frames = read_clip(path).permute(0, 2, 3, 1).numpy()
        for name, change in CHANGES.items():
            (folder / name).mkdir(exist_ok=True)
            write_video(folder / name / path.name, change(frames), FPS)
    return folder


@pytest.fixture(scope="module")
def real(folder: Path) -> list[ClipFile]:
    return read_truth(folder / "real")


@pytest.fixture(scope="module")
def sets(folder: Path, real: list[ClipFile]) -> dict[str, MeasuredSet]:
    return {name: measure(name, folder / name, real) for name in ("real", *CHANGES)}


def value(measured: MeasuredSet, name: str) -> float:
    metric = next(figure for figure in figures(measured) if figure.name == name).metric()
    assert metric is not None
    return metric.value


def test_the_real_files_are_near_the_truth(sets: dict[str, MeasuredSet]) -> None:
    real = sets["real"]
    assert value(real, "displacement error") < 0.5
    assert value(real, "displacement ratio") == pytest.approx(1, abs=0.05)
    assert value(real, "trajectory error") < 0.5
    assert value(real, "velocity error") < 0.3
    assert value(real, "permanence") > 0.97
    assert value(real, "area ratio") == pytest.approx(1, abs=0.05)
    assert value(real, "shape right") > 0.95
    assert value(real, "turn timing error") < 1


def test_a_frozen_clip_is_there_in_its_shape_and_goes_nowhere(
    sets: dict[str, MeasuredSet], real: list[ClipFile]
) -> None:
    frozen = sets["frozen"]
    assert value(frozen, "displacement") < 0.02  # what the encoder does to equal frames
    assert value(frozen, "displacement ratio") < 0.002
    assert value(frozen, "displacement error") > 8
    assert value(frozen, "velocity error") > 1
    assert value(frozen, "shape right") > 0.95
    assert value(frozen, "turn timing error") == 8  # the latest that counts
    in_view = [number for number, clip in enumerate(real) if clip.spec.motion.kind != "hides"]
    assert (frozen.curves["permanence"][in_view] == 1).all()


def test_a_dimmed_clip_is_off_in_colour_alone(sets: dict[str, MeasuredSet]) -> None:
    assert value(sets["dim"], "colour error") > value(sets["real"], "colour error") + 15
    for name in ("displacement ratio", "permanence", "area ratio", "shape right"):
        assert value(sets["dim"], name) == pytest.approx(value(sets["real"], name), abs=0.05)


def test_a_clip_without_its_subject_has_no_permanence_and_no_place(sets: dict[str, MeasuredSet]) -> None:
    assert value(sets["empty"], "permanence") < 0.1  # right only about what is behind the wall
    metrics = {figure.name: figure.metric() for figure in figures(sets["empty"])}
    assert metrics["displacement"] is None
    assert metrics["colour error"] is None


def test_a_subject_in_another_colour_is_followed_and_counted(
    sets: dict[str, MeasuredSet], real: list[ClipFile]
) -> None:
    untouched, recoloured = sets["real"], sets["recoloured"]
    in_view = [number for number, clip in enumerate(real) if clip.spec.motion.kind != "hides"]
    assert value(untouched, "recoloured") == value(untouched, "censored") == 0
    assert value(untouched, "judged right") > 0.97
    share = recoloured.curves["recoloured"][in_view]
    assert (share == (np.arange(NUM_FRAMES) >= 15)).mean() > 0.98  # hardly a frame in which two touch
    assert value(recoloured, "censored") < 0.02
    assert value(recoloured, "judged right, from frame 8 on") < 0.45  # right about what is behind the wall
    assert value(recoloured, "judged right, frames 1 to 7") > 0.97
    assert value(recoloured, "colour error, from frame 8 on") > 100
    for name in ("displacement ratio", "permanence", "area ratio"):
        assert value(recoloured, name) == pytest.approx(value(untouched, name), abs=0.05)


def test_a_second_copy_is_counted_and_is_not_right(sets: dict[str, MeasuredSet]) -> None:
    real, doubled = sets["real"], sets["doubled"]
    assert value(real, "extra bodies") == 0
    assert value(doubled, "extra bodies, frames 1 to 7") == 0
    assert value(doubled, "extra bodies, from frame 8 on") > 0.6
    assert value(doubled, "judged right, from frame 8 on") < 0.4
    found = {one.figure: one.verdict for one in differences(doubled, real)}
    assert found["extra bodies"] == found["judged right"] == "worse"


def test_displacement_rests_on_what_moves_from_its_place(sets: dict[str, MeasuredSet], real: list[ClipFile]) -> None:
    known = np.isfinite(sets["real"].curves["displacement"]).any(axis=1)
    assert known.tolist() == [clip.spec.motion.kind in MOVING_KINDS for clip in real]
    assert known.sum() == 5


def test_a_few_leaps_weigh_in_the_mean_velocity_and_not_in_the_median_frame(sets: dict[str, MeasuredSet]) -> None:
    real = sets["real"]
    leaps = real.curves["velocity_error"].copy()
    leaps[:, 5::6] = 30
    leaping = replace(real, curves={**real.curves, "velocity_error": leaps})
    assert value(leaping, "velocity error") > 3
    assert value(leaping, "velocity error, median frame") < 0.3
    assert value(sets["frozen"], "velocity error, median frame") > 1
    found = {one.figure: one.verdict for one in differences(leaping, sets["frozen"])}
    assert found["velocity error"] == "worse"
    assert found["velocity error, median frame"] == "better"


def test_short_clips_are_compared_in_the_frames_they_have(sets: dict[str, MeasuredSet]) -> None:
    short = sets["short"]
    assert short.curves["permanence"].shape == (7, 8)
    names = {figure.name for figure in figures(short) if figure.metric() is not None}
    assert "velocity error, frames 1 to 7" in names
    assert "velocity error, from frame 8 on" not in names
    for one in differences(short, sets["real"]):
        # Frames that were encoded as part of a longer clip: the same but for the encoder.
        assert abs(one.value) < (2 if one.unit == "RGB distance" else 0.1), one.figure
    assert {one.figure for one in differences(short, sets["real"])} >= {"velocity error", "permanence"}
    assert "turn timing error" not in {one.figure for one in differences(short, sets["real"])}


def test_the_better_set_is_named_whichever_comes_first(sets: dict[str, MeasuredSet]) -> None:
    ways = {
        order: next(d for d in differences(sets[order[0]], sets[order[1]]) if d.figure == "velocity error")
        for order in (("real", "frozen"), ("frozen", "real"))
    }
    assert [way.verdict for way in ways.values()] == ["better", "worse"]
    shape = next(d for d in differences(sets["frozen"], sets["real"]) if d.figure == "shape right")
    assert shape.verdict == "undecided"
    seen = next(d for d in differences(sets["real"], sets["empty"]) if d.figure == "permanence")
    assert seen.verdict == "better"


def test_a_subject_lost_early_is_not_judged_by_its_good_beginning(sets: dict[str, MeasuredSet]) -> None:
    real, dim = sets["real"], sets["dim"]
    curves = {name: curve.copy() for name, curve in dim.curves.items()}
    for curve in curves.values():
        curve[:, 10:] = np.nan
    lost = replace(dim, curves=curves)
    whole, beginning = (
        next(d.value for d in differences(one, other) if d.figure == "colour error")
        for one, other in ((lost, real), (dim.first(10), real.first(10)))
    )
    assert whole == pytest.approx(beginning)


def test_a_figure_rests_on_the_clips_that_have_a_value() -> None:
    values, weights = np.array([1.0, np.nan, 3.0, 2.0]), np.array([1.0, np.nan, 1.0, 2.0])
    metric = Figure("way", "pixels", "neutral", values, weights).metric()
    assert metric is not None
    assert (metric.value, metric.n) == (1.5, 3)
    assert metric.interval is not None
    assert metric.interval.low == 1
    assert metric.interval.high == 3
    assert Figure("way", "pixels", "neutral", values[1:2], weights[1:2]).metric() is None


def test_the_command_writes_results_a_table_and_a_picture(folder: Path, tmp_path: Path) -> None:
    options = [f"--set=frozen clips={folder / 'frozen'}", f"--set=short={folder / 'short'}"]
    assert main(["--real", str(folder / "real"), *options, "--output", str(tmp_path)]) == 0
    results = {name: Result.load(tmp_path / f"{name}.json") for name in ("real", "frozen_clips", "short")}
    assert all((result.kind, result.name) == ("quality", "tiny-world truth") for result in results.values())
    assert results["short"].metric("velocity error, less that of frozen clips") is not None
    rests_on = next(c for c in results["frozen_clips"].curves if c.name == "displacement: clips it rests on")
    assert rests_on.y[0] == 5
    truth = next(c for c in results["real"].curves if c.series == "truth")
    assert truth.y[-1] > 5
    table = (tmp_path / "truth.md").read_text()
    assert "|  | better | real | frozen clips | short | short against frozen clips |" in table
    assert "better: " in next(line for line in table.splitlines() if line.startswith("| velocity error (pixels"))
    assert Image.open(tmp_path / "truth.png").width > 1000


@pytest.mark.parametrize("kind", ["no folder", "other files", "other size", "no truth", "same name", "real"])
def test_sets_that_cannot_be_judged_are_named(
    kind: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, real, name = tmp_path / "made", folder / "real", "made"
    if kind != "no folder":
        made.mkdir()
    files = [path.name for path in sorted(real.glob("*.mp4"))]
    side = FRAME_SIZE // 2 if kind == "other size" else FRAME_SIZE
    for file in files[: 3 if kind == "other files" else 7] if made.is_dir() else []:
        write_video(made / file, np.zeros((2, side, side, 3), np.uint8), FPS)
    if kind == "no truth":
        real = made
    if kind == "real":
        name = "real"
    options = [f"--set={name}={made}"] * (2 if kind == "same name" else 1)
    assert main(["--real", str(real), *options, "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("truth_report: ")
    assert message.count("\n") == 1
    assert name in message
    assert not (tmp_path / "out").exists()


def test_what_can_get_worse_has_an_amount_below_which_compare_calls_it_the_same() -> None:
    for one in (*MEASURES, *EVENT_MEASURES):
        nothing = Metric(one.name, 0.0, one.unit, one.better)
        assert one.better == "neutral" or Margin().of(nothing) > 0, one
