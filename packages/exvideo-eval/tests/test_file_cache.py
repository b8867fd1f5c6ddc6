"""Measurements that are kept: found by content and rules, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.file_cache import FileCache, StoredFeatures
from exvideo_eval.measured_file import MeasuredFile
from exvideo_eval.video_reader import VideoInfo


def measured(judged: bool = True) -> MeasuredFile:
    random = np.random.default_rng(0)
    return MeasuredFile(
        info=VideoInfo(20, 23.976, 48, 64, "h264", "yuv420p", ("turned by 90 degrees",)),
        features=random.normal(size=(2, 3, 5)),
        curves={"motion energy": random.normal(size=(2, 7)), "a/b": random.normal(size=(2, 8))},
        motions={"changes": random.normal(size=(2, 7)), "flicker": random.normal(size=(2, 1))},
        curves_to_real={"PSNR to real": random.normal(size=(1, 8))},
        probabilities={"shape": random.random((2, 3))} if judged else {},
        embeddings=random.normal(size=(2, 4)) if judged else None,
    )


def assert_equal(one: MeasuredFile | None, other: MeasuredFile) -> None:
    assert one is not None
    assert one.info == other.info
    assert np.array_equal(one.features, other.features)
    for name in ("curves", "motions", "curves_to_real", "probabilities"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)
    assert (one.embeddings is None) == (other.embeddings is None)
    assert other.embeddings is None or np.array_equal(one.embeddings, other.embeddings)


@pytest.mark.parametrize("judged", [True, False])
def test_what_is_saved_is_loaded_to_the_bit(tmp_path: Path, judged: bool) -> None:
    cache = FileCache(tmp_path / "cache", {"a": 1})
    path = cache.path("0" * 64)
    assert cache.load(path) is None
    cache.save(path, measured(judged))
    assert_equal(cache.load(path), measured(judged))
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_other_contents_twins_cuts_and_rules_have_places_of_their_own(tmp_path: Path) -> None:
    one, other = FileCache(tmp_path, {"frames": 16}), FileCache(tmp_path, {"frames": 17})
    paths = {one.path("a"), one.path("b"), one.path("a", twin="b"), one.path("a", every_clip=True), other.path("a")}
    assert len(paths) == 5
    assert FileCache(tmp_path, {"frames": 16}).path("a") in paths


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-9], lambda data: data.replace(b"/2", b"/9")])
def test_a_damaged_file_is_told_and_counts_as_none(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FileCache(tmp_path, {})
    path = cache.path("a")
    cache.save(path, measured())
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert cache.load(path) is None
    assert f"{path} cannot be read" in caplog.text


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FileCache(tmp_path, {})
    path = cache.path("a")
    cache.save(path, measured())

    def full(arrays: object, target: Path, header: object) -> None:
        Path(target).write_bytes(b"half of i")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exvideo_eval.file_cache.save_file", full)
    with pytest.raises(ValueError, match=r"cannot be written .*No space left.*give another --cache"):
        cache.save(path, measured(judged=False))
    assert_equal(cache.load(path), measured())
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_features_stay_in_their_files_until_asked_for(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, {})
    path = cache.path("a")
    cache.save(path, measured())
    features = StoredFeatures([(path, 1), (path, 0)], num_windows=3)
    assert len(features) == 2
    assert np.array_equal(np.stack(list(features)), measured().features[::-1])
    assert np.array_equal(features[-1], measured().features[0])
    assert np.array_equal(features[1:][0], measured().features[0])
    with pytest.raises(IndexError):
        features[2]
