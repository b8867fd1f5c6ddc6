from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval import Settings, evaluate
from exvideo_eval.markdown import as_markdown
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
    assert (frechet.n, frechet.dimension) == (4, 1)
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


def test_too_few_clips_leave_the_distance_out_and_say_so(clip_folders: Path) -> None:
    (clip_folders / "generated" / "3.mp4").unlink()
    settings = replace(SETTINGS, window=12)
    result = evaluate(clip_folders / "real", clip_folders / "generated", settings=settings).generated
    assert result.metric(FRECHET) is None
    assert "No Fréchet distance: too few clips (3); it needs 4 or more of each set." in result.notes
    assert value(result, "motion energy, ratio to real") > 0


def test_a_dimension_that_the_clips_do_not_fill_is_refused(clip_folders: Path) -> None:
    with pytest.raises(ValueError, match="4 clips are too few for a Fréchet distance in 11 dimensions"):
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
    assert plan_clips(Settings(seam_every=11), generated).num_frames == 12
    with pytest.raises(ValueError, match=r"seam_every is 12, and clips of 12 frames .*: give at most 11"):
        plan_clips(Settings(seam_every=12), generated)
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
        ({"seed": -1}, "seed is -1: give at least 0"),
        ({"resamples": 1}, "resamples is 1, of which no interval can be: give 0 for none, or at least 2"),
    ],
)
def test_settings_are_checked_before_anything_is_read(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**wrong)  # type: ignore[arg-type]


def test_copies_of_a_clip_are_noted_and_one_in_another_set_is_none(clip_folders: Path) -> None:
    folder = clip_folders / "generated"
    (folder / "again.mp4").write_bytes((folder / "2.mp4").read_bytes())
    (folder / "3.mp4").write_bytes((clip_folders / "real" / "3.mp4").read_bytes())
    result = evaluate(clip_folders / "real", folder, settings=SETTINGS).generated
    found = [note for note in result.notes if "content of another" in note]
    assert found == [
        "Generated files with the content of another, counted as clips of their own: 1 of 5 (again.mp4 as 2.mp4)."
    ]
    assert result.data[-1].count == 5


def test_clips_that_differ_in_their_endings_are_paired_and_lie_anywhere(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    write_video(tmp_path / "real" / "street" / "c1.mp4", moving_clip(0))
    write_video(tmp_path / "generated" / "street" / "c1.mkv", moving_clip(0))
    write_video(tmp_path / "generated" / "c1.mp4", moving_clip(1))
    result = evaluate(tmp_path / "real", tmp_path / "generated", settings=SETTINGS).generated
    assert value(result, "PSNR to real") > 25
    assert "Generated clips with a real file of their name, drawn as pairs: 1 of 2." in result.notes


def test_a_baseline_changes_nothing_in_the_result_of_the_generated_clips(clip_folders: Path) -> None:
    (clip_folders / "frozen" / "0.mp4").unlink()
    real, generated, frozen = (clip_folders / name for name in ("real", "generated", "frozen"))
    alone = evaluate(real, generated, settings=SETTINGS)
    both = evaluate(real, generated, frozen, SETTINGS)
    assert replace(alone.generated, created="") == replace(both.generated, created="")
    assert alone.contrast is None
    assert both.contrast is not None
    difference = both.contrast.metric("motion energy, ratio to real, difference to baseline")
    assert difference is not None
    assert (difference.n, difference.contrast) == (3, "difference to baseline")
    assert difference.value > 0.2
    assert "Generated clips with a baseline's file of their name, drawn as pairs: 3 of 4." in both.contrast.notes


class Shifted:
    """Mean pixels on the first axes, and on the last, which no real clip moves along, whether the clip is dark."""

    name, dimension, input_description, weights_sha256 = "test", 4, "as it is", "0"

    def __call__(self, clips: torch.Tensor) -> torch.Tensor:
        mean = clips.double().mean(dim=(1, 2, 3, 4))
        return torch.stack([mean, mean**2 / 300, torch.sin(mean), torch.where(mean < 105, 100.0, 0.0)], dim=1)


def test_what_lies_off_the_axes_is_told_beside_the_distance(clip_folders: Path) -> None:
    folders = (clip_folders / "real", clip_folders / "generated")
    result = evaluate(*folders, settings=SETTINGS, extractor=Shifted()).generated
    assert value(result, "shift of the mean off the axes, test features") > 1000
    real = result.metric("variance on the axes, test features, real clips")
    assert real is not None
    assert (real.quantity, real.of) == ("variance on the axes, test features", "real")
    assert 0.5 < real.value <= 1


def test_a_network_that_gives_no_number_is_one_sentence(clip_folders: Path) -> None:
    class Broken(Shifted):
        def __call__(self, clips: torch.Tensor) -> torch.Tensor:
            features = super().__call__(clips)
            features[-1, 0] = torch.nan
            return features

    with pytest.raises(ValueError, match=r"features of .*0\.mp4 are not finite in 1 of 5 windows, first in 4: look at"):
        evaluate(clip_folders / "real", clip_folders / "generated", settings=SETTINGS, extractor=Broken())


def test_the_files_of_both_sets_are_described_and_their_differences_noted(
    clip_folders: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    write_video(clip_folders / "real" / "large.mp4", moving_clip(9, size=64), fps=12)
    result = evaluate(clip_folders / "real", clip_folders / "generated", settings=SETTINGS).generated
    real, generated = (data.media for data in result.data)
    assert real is not None
    assert generated is not None
    assert (generated.codecs, generated.pixel_formats, generated.sizes) == (("h264",), ("yuv420p",), ("32x32",))
    assert (real.sizes, real.fps, generated.fps) == (("32x32", "64x64"), (8.0, 12.0), (8.0,))
    assert real.resizing.startswith("to 32x32, ")
    assert generated.resizing == "none"


def test_values_of_clips_stand_in_the_result_by_name_and_source(clip_folders: Path) -> None:
    result = evaluate(clip_folders / "real", clip_folders / "generated", settings=SETTINGS).generated
    by_name = {values.metric: values for values in result.clip_values}
    motion = by_name["motion energy"]
    assert (motion.kind, motion.clips, motion.clusters) == ("value", ("0", "1", "2", "3"), ("0", "1", "2", "3"))
    assert np.mean(motion.values) == pytest.approx(value(result, "motion energy"))
    assert by_name[FRECHET].kind == "pseudo-value"
    assert by_name[FRECHET].clusters == ("0", "1", "2", "3")


def test_a_difference_does_not_contradict_the_columns_that_it_is_of(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    """Three names in common do not fill six dimensions; 12 and 13 clips have no distances to set against each other."""
    for seed in range(12):
        write_video(tmp_path / "real" / f"{seed}.mp4", moving_clip(seed, size=16))
        write_video(tmp_path / "generated" / f"{seed}.mp4", moving_clip(seed + 50, size=16))
        name = f"{seed}" if seed < 3 else f"other{seed}"
        write_video(tmp_path / "baseline" / f"{name}.mp4", moving_clip(seed + 90, size=16))
    folders, settings = [tmp_path / name for name in ("real", "generated", "baseline")], replace(SETTINGS, dimension=6)
    found = evaluate(*folders, settings=settings)
    assert found.baseline is not None
    assert found.contrast is not None
    difference = found.contrast.metric(f"{FRECHET}, difference to baseline")
    assert difference is not None
    assert difference.value == pytest.approx(value(found.generated, FRECHET) - value(found.baseline, FRECHET))
    assert difference.n == 12
    text = as_markdown(found)
    assert "\n| motion energy (mean squared difference), of 3 clips | neutral |" in text
    assert f"\n| {FRECHET} (squared feature units) | lower |" in text
    write_video(tmp_path / "baseline" / "more.mp4", moving_clip(120, size=16))
    unlike = evaluate(*folders, settings=settings)
    assert unlike.contrast is not None
    assert unlike.contrast.metric(f"{FRECHET}, difference to baseline") is None
    (note,) = [note for note in unlike.contrast.notes if note.startswith("Not set against")]
    assert FRECHET in note
    assert "kernel distance" not in note
