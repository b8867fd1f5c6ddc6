from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.plan import ClipPlan, plan_clips
from exvideo_eval.results import Result

SETTINGS = Settings(features="random3d", window=4, resamples=20)


def value(result: Result, name: str) -> float:
    metric = result.metric(name)
    assert metric is not None, [metric.name for metric in result.metrics]
    return metric.value


FRECHET = "Fréchet distance, random 3D network, seed 0 features"


def test_real_clips_judged_against_themselves_are_perfect(clip_folders: Path) -> None:
    result = evaluate(clip_folders / "real", clip_folders / "real", settings=SETTINGS).generated
    assert value(result, FRECHET) < 1e-9
    assert value(result, "motion energy, ratio to real") == 1
    assert value(result, "sharpness, mismatch to real") == 0
    assert value(result, "PSNR to real") == 100


def test_slow_dark_clips_and_frozen_ones_are_told_from_real_ones(clip_folders: Path) -> None:
    evaluation = evaluate(*(clip_folders / name for name in ("real", "generated", "frozen")), settings=SETTINGS)
    assert evaluation.baseline is not None
    generated, frozen = evaluation.generated, evaluation.baseline
    assert value(frozen, "motion energy, ratio to real") < 0.05 < value(generated, "motion energy, ratio to real") < 0.6
    assert value(generated, "brightness, ratio to real") == pytest.approx(0.75, abs=0.03)
    assert value(frozen, "brightness, ratio to real") == pytest.approx(1, abs=0.03)
    assert value(generated, FRECHET) > 1e-4
    frechet = generated.metric(FRECHET)
    assert frechet is not None
    assert (frechet.n, frechet.dimension) == (20, 5)
    assert generated.protocol_sha256 == frozen.protocol_sha256


def test_the_same_run_gives_the_same_result(clip_folders: Path) -> None:
    folders = (clip_folders / "real", clip_folders / "generated")
    one, again = (evaluate(*folders, settings=SETTINGS).generated for _ in range(2))
    assert replace(one, created="") == replace(again, created="")


def test_the_protocol_tells_runs_apart_that_measure_differently(clip_folders: Path) -> None:
    folders = (clip_folders / "real", clip_folders / "generated")
    hashes = {
        evaluate(*folders, settings=settings).generated.protocol_sha256
        for settings in (
            SETTINGS,
            replace(SETTINGS, num_frames=8),
            replace(SETTINGS, size=(16, 16)),
            replace(SETTINGS, window_stride=4),
            replace(SETTINGS, dimension=2),
            replace(SETTINGS, resamples=0),
        )
    }
    (clip_folders / "real" / "0.mp4").unlink()
    hashes.add(evaluate(*folders, settings=SETTINGS).generated.protocol_sha256)
    assert len(hashes) == 7


def test_bad_files_are_reported_by_name_and_the_rest_is_measured(
    clip_folders: Path,
    write_video: Callable[..., Path],
    moving_clip: Callable[..., np.ndarray],
    caplog: pytest.LogCaptureFixture,
) -> None:
    generated = clip_folders / "generated"
    good = (generated / "0.mp4").read_bytes()
    (generated / "corrupt.mp4").write_bytes(good[: len(good) // 2])
    (generated / "captions.txt").write_text("a red ball")
    write_video(generated / "short.mp4", moving_clip(9, num_frames=6))
    (generated / ".hidden").write_text("")
    result = evaluate(clip_folders / "real", generated, settings=SETTINGS).generated
    assert {Path(item.file).name: item.reason for item in result.skipped} == {
        "captions.txt": "is corrupt or not a video (Invalid data found when processing input)",
        "corrupt.mp4": "is corrupt or not a video (Invalid data found when processing input)",
        "short.mp4": "has 6 frames, fewer than the 12 that are compared",
    }
    assert "short.mp4: has 6 frames" in caplog.text
    assert result.protocol["generated_clips"] == 4


def test_a_long_real_file_gives_many_clips_and_a_long_generated_one_its_beginning(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    for folder in ("real", "generated"):
        write_video(tmp_path / folder / "a.mp4", moving_clip(0, num_frames=26))
    settings = replace(SETTINGS, num_frames=8)
    result = evaluate(tmp_path / "real", tmp_path / "generated", settings=settings).generated
    assert [(data.role, data.count) for data in result.data] == [("real", 3), ("generated", 1)]
    assert "Generated files longer than 8 frames: 1; only their beginning counts." in result.notes


def test_too_few_windows_leave_the_distance_out_and_say_so(clip_folders: Path) -> None:
    for seed in range(1, 4):
        (clip_folders / "generated" / f"{seed}.mp4").unlink()
    settings = replace(SETTINGS, window=12)
    result = evaluate(clip_folders / "real", clip_folders / "generated", settings=settings).generated
    assert result.metric(FRECHET) is None
    assert "No Fréchet distance: too few windows (1); it needs 4 or more of each set." in result.notes
    assert value(result, "motion energy, ratio to real") > 0


def test_a_dimension_that_the_clips_do_not_fill_is_refused(clip_folders: Path) -> None:
    with pytest.raises(ValueError, match="20 samples are too few for a Fréchet distance in 11 dimensions"):
        evaluate(clip_folders / "real", clip_folders / "generated", settings=replace(SETTINGS, dimension=11))


def test_frame_rates_that_differ_are_noted(
    clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    write_video(clip_folders / "generated" / "9.mp4", moving_clip(9), fps=25)
    result = evaluate(clip_folders / "real", clip_folders / "generated", settings=SETTINGS).generated
    assert any("Frame rates differ (real [8.0], generated [8.0, 25.0])" in note for note in result.notes)


def test_the_plan_follows_the_generated_files_unless_told(
    clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    generated = clip_folders / "generated"
    assert plan_clips(Settings(), generated) == ClipPlan(12, (32, 32), 12, 6)
    assert plan_clips(Settings(num_frames=40, size=(8, 9)), generated) == ClipPlan(40, (8, 9), 16, 8)
    with pytest.raises(ValueError, match="Clips of 12 frames are shorter than a window of 16"):
        plan_clips(Settings(window=16), generated)
    write_video(generated / "large.mp4", moving_clip(9, size=64))
    with pytest.raises(ValueError, match=r"2 sizes \(32x32, 64x64\): give --size"):
        plan_clips(Settings(), generated)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"num_frames": 1}, "num_frames is 1: give at least 2"),
        ({"window_stride": 0}, "window_stride is 0"),
        ({"dimension": 0}, "dimension is 0"),
        ({"resamples": -1}, "resamples is -1"),
        ({"size": (2, 64)}, "size is 2x64"),
        ({"level": 1.0}, "level is 1.0"),
    ],
)
def test_settings_are_checked_before_anything_is_read(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**wrong)  # type: ignore[arg-type]


def test_clips_that_differ_in_their_endings_are_paired_and_lie_anywhere(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    write_video(tmp_path / "real" / "street" / "c1.mp4", moving_clip(0))
    write_video(tmp_path / "generated" / "street" / "c1.mkv", moving_clip(0))
    write_video(tmp_path / "generated" / "c1.mp4", moving_clip(1))
    result = evaluate(tmp_path / "real", tmp_path / "generated", settings=SETTINGS).generated
    assert value(result, "PSNR to real") > 25
    assert "Generated clips with a real file of the same name: 1 of 2." in result.notes
