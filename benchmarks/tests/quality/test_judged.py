"""Rows as tables of seeds and clips."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_infer import write_video
from exvideo_infer.video_file import read_clip
from numpy.typing import NDArray

from benchmarks.quality.judged import JUDGED, by_judge, distances, judge, own_table, paired
from benchmarks.quality.protocol import DISPLACEMENT, FRECHET, PRIMARY
from tiny_world.truth.measured_set import read_truth
from tiny_world.world.clip_files import ClipFile, write_clips

CLIPS, FRAMES = 8, 20


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[ClipFile], Path]:
    """Real clips, and the same frozen after the tenth frame."""
    folder = tmp_path_factory.mktemp("judged")
    list(write_clips(folder / "real", CLIPS, FRAMES, 5, "validate"))
    real = read_truth(folder / "real")
    for clip in real:
        frames = read_clip(clip.path).permute(0, 2, 3, 1).numpy()
        frames[10:] = frames[9]
        (folder / "frozen").mkdir(exist_ok=True)
        write_video(folder / "frozen" / clip.path.name, frames, 8)
    return real, folder


def test_the_distance_is_that_of_exvideo_eval(folders: tuple[list[ClipFile], Path]) -> None:
    real, folder = folders
    found = distances(*(by_judge(folder / name, real)["features"] for name in ("frozen", "real")))[0]
    result = evaluate(folder / "real", folder / "frozen", settings=Settings("judges", resamples=0)).generated
    of_sets = [one for one in result.metrics if one.quantity.startswith("Fréchet") and one.statistic == "value"]
    (metric,) = (one for one in of_sets if not one.of)
    assert found == pytest.approx(metric.value, rel=1e-6)


def test_parts_of_a_distance_are_one_a_clip_and_their_mean_is_the_distance() -> None:
    random = np.random.default_rng(0)
    real: NDArray[np.float64] = random.normal(size=(12, 2, 5))
    whole, parts = distances(real + 0.3, real)
    assert parts.shape == (12,)
    assert parts.mean() == pytest.approx(whole)
    assert distances(real, real)[0] == pytest.approx(0, abs=1e-9)
    order = random.permutation(12)
    np.testing.assert_allclose(distances((real + 0.3)[order], real[order])[1], parts[order], atol=1e-9)


def test_what_is_judged_is_kept_beside_the_clips(folders: tuple[list[ClipFile], Path]) -> None:
    real, folder = folders
    first, again = (judge(folder / "frozen", real) for _ in range(2))
    np.testing.assert_array_equal(first.features, again.features)
    assert first.features.shape[:2] == (CLIPS, 1)  # 20 frames have one window of 16, by eights
    assert (folder / "frozen" / JUDGED).exists()


def test_every_primary_measure_is_a_table_and_frozen_clips_are_further_than_real_ones(
    folders: tuple[list[ClipFile], Path],
) -> None:
    real, folder = folders
    frozen, sound = judge(folder / "frozen", real), judge(folder / "real", real)
    for name in PRIMARY:
        assert own_table(name, [frozen, frozen], sound.features).shape == (2, CLIPS)
        ours, theirs = paired(name, [frozen], [sound], sound.features)
        assert ours.shape == theirs.shape == (1, CLIPS)
    for name in (DISPLACEMENT, FRECHET):
        ours, theirs = paired(name, [frozen], [sound], sound.features)
        assert np.nanmean(ours) > np.nanmean(theirs) + 0.1


def test_the_judge_finds_the_motion_of_real_clips_and_of_frozen_ones_less_often(
    folders: tuple[list[ClipFile], Path],
) -> None:
    real, folder = folders
    frozen, sound = judge(folder / "frozen", real), judge(folder / "real", real)
    assert sound.motion_right.shape == (CLIPS,)
    assert set(sound.motion_right) <= {0.0, 1.0}
    assert sound.motion_right.mean() > 0.7
    assert frozen.motion_right.mean() <= sound.motion_right.mean()


def test_clips_that_were_made_anew_are_judged_anew(folders: tuple[list[ClipFile], Path], tmp_path: Path) -> None:
    real, folder = folders
    shutil.copytree(folder / "frozen", tmp_path / "made")
    before = judge(tmp_path / "made", real)
    for clip in real:
        shutil.copy(clip.path, tmp_path / "made")
    after = judge(tmp_path / "made", real)
    assert not np.array_equal(before.features, after.features)
    assert np.nanmean(after.truth.curves["trajectory_error"]) < np.nanmean(before.truth.curves["trajectory_error"])
