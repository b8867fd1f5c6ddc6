"""Distances of thirds and of fragments, of clips whose end alone is bad and of clips put together of the base's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.cli import main
from exvideo_eval.result_parts import Metric
from exvideo_eval.results import Result

SETTINGS = Settings(features="random3d", thirds=True, resamples=0)
FEATURES = "random 3D network, seed 0 features"
COUNT, LENGTH = 8, 8  # of the base's clips, and their frames; long clips are three times as long
OTHERS = {"real": "real clips", "base": "the base's own clips"}
Write = Callable[[Path, np.ndarray], None]


@pytest.fixture(scope="session")
def write_lossless() -> Write:
    """Frames (frames, height, width, 3), each coded by itself: what is done to one changes no other."""

    def write(path: Path, frames: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=8)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))

    return write


@pytest.fixture
def folders(tmp_path: Path, write_lossless: Write, moving_clip: Callable[..., np.ndarray]) -> Path:
    """base/, and long clips that are three of its clips each: at every place the same clips in another order.

    real/ are other clips of that kind; worse/ are the long ones with their last third greyed.
    """
    base = [moving_clip(seed, LENGTH) for seed in range(COUNT)]
    for number in range(COUNT):
        long = np.concatenate([base[(number + step) % COUNT] for step in range(3)])
        worse = long.copy()
        worse[2 * LENGTH :] = worse[2 * LENGTH :] // 4 + 96
        real = moving_clip(100 + number, 3 * LENGTH)
        for name, clip in {"base": base[number], "long": long, "worse": worse, "real": real}.items():
            write_lossless(tmp_path / name / f"{number}.mkv", clip)
    return tmp_path


def values(result: Result) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


def is_alike(metric: Metric) -> bool:
    return metric.statistic.endswith("mean of exchanged sets")


def thirds(result: Result, what: str = "Fréchet distance") -> list[float]:
    return [values(result)[f"{what} by third, {FEATURES}, {third} third"] for third in ("first", "middle", "last")]


def from_base(result: Result, what: str = "Fréchet distance") -> list[float]:
    names = ("", ", first fragment", ", middle fragment", ", last fragment")
    return [values(result)[f"{what} from the base's own clips, {FEATURES}{name}"] for name in names]


@pytest.mark.parametrize("what", ["Fréchet distance", "kernel distance"])
def test_clips_whose_end_is_bad_differ_in_their_last_third_alone(folders: Path, what: str) -> None:
    good, bad = (
        thirds(evaluate(folders / "real", folders / name, settings=SETTINGS).generated, what)
        for name in ("long", "worse")
    )
    assert bad[:2] == good[:2]
    assert bad[2] > 3 * abs(good[2])


def test_fragments_that_are_the_base_s_clips_are_no_distance_from_them(folders: Path) -> None:
    run = (folders / "real", folders / "long")
    result = evaluate(*run, settings=SETTINGS, base_clips=folders / "base").generated
    assert from_base(result) == pytest.approx([0] * 4, abs=1e-9)
    (curve,) = [curve for curve in result.curves if "base's own clips" in curve.name]
    assert curve.x == (0, 8, 16)
    assert curve.y == pytest.approx([0] * 3, abs=1e-9)
    worse = evaluate(folders / "real", folders / "worse", settings=SETTINGS, base_clips=folders / "base").generated
    # Of equal sets the unbiased distance is about nothing, and at times below.
    assert max(map(abs, from_base(result, "kernel distance"))) < 0.1 * from_base(worse, "kernel distance")[-1]


def test_beside_every_distance_on_axes_stands_all_that_it_does_not_see(folders: Path) -> None:
    settings = replace(SETTINGS, resamples=20)
    run = (folders / "real", folders / "worse")
    result = evaluate(*run, settings=settings, base_clips=folders / "base").generated
    distances = [metric for metric in result.metrics if metric.quantity.startswith("Fréchet") and not is_alike(metric)]
    assert len(distances) == 8
    for distance in distances:
        shift = result.metric(distance.name.replace("Fréchet distance", "shift of the mean off the axes"))
        assert shift is not None, distance.name
        assert (shift.dimension, shift.n) == (distance.dimension, distance.n)
        assert shift.interval is not None
        assert shift.significance is not None
        name = distance.name.replace("Fréchet distance", "variance on the axes")
        other = "base" if "from the base's" in name else "real"
        for metric, of in ((result.metric(name), ""), (result.metric(f"{name}, {OTHERS[other]}"), other)):
            assert metric is not None, name
            assert metric.of == of
            assert 0 < metric.value <= 1
            assert metric.dimension == distance.dimension
    off = thirds(result, "shift of the mean off the axes")
    assert off[2] > 3 * max(map(abs, off[:2]))


def test_a_fragment_that_is_not_like_the_base_s_clips_is_found_at_its_place(folders: Path) -> None:
    run = (folders / "real", folders / "worse")
    result = evaluate(*run, settings=SETTINGS, base_clips=folders / "base").generated
    mean, first, middle, last = from_base(result)
    assert [first, middle] == pytest.approx([0, 0], abs=1e-9)
    assert last > 0.1
    assert mean == pytest.approx(last / 3)


def test_they_are_drawn_as_pairs_with_intervals_tests_and_the_distance_of_sets_that_are_alike(folders: Path) -> None:
    settings = replace(SETTINGS, resamples=50)
    result = evaluate(folders / "real", folders / "worse", settings=settings, base_clips=folders / "base").generated
    name = f"Fréchet distance from the base's own clips, {FEATURES}, last fragment"
    metric, alike = result.metric(name), result.metric(f"{name}, if alike")
    assert metric is not None
    assert alike is not None
    assert metric.interval is not None
    assert metric.significance is not None
    assert metric.significance.method == "swap test within pairs, 50 draws"
    assert metric.significance.p_value < 0.05
    assert (metric.statistic, alike.statistic) == ("last fragment", "last fragment, mean of exchanged sets")
    assert "Generated clips with one of the base's own of their name, drawn as pairs: 8 of 8." in result.notes
    assert alike.value < metric.value


def test_they_change_no_other_number_and_stand_in_the_protocol(folders: Path) -> None:
    run = (folders / "real", folders / "worse")
    plain = evaluate(*run, settings=replace(SETTINGS, thirds=False)).generated
    result = evaluate(*run, settings=SETTINGS, base_clips=folders / "base").generated
    assert {name: values(result)[name] for name in values(plain)} == values(plain)
    assert "parts" not in plain.protocol
    assert result.protocol["parts"]["thirds"] == {
        "window": 8,
        "first_frames": {"first third": [0], "middle third": [8], "last third": [16]},
    }
    fragments = result.protocol["parts"]["fragments"]
    assert (fragments["frames"], fragments["first_frames"], fragments["base_clips"]) == (8, [0, 8, 16], 8)
    assert fragments["frechet_dimension"] == 2
    assert [(data.role, data.count) for data in result.data] == [("real", 8), ("base", 8), ("generated", 8)]
    assert len({plain.protocol_sha256, result.protocol_sha256}) == 2


def test_the_command_tells_them_of_both_sets_and_their_difference(folders: Path) -> None:
    (folders / "base" / "bad.mp4").write_bytes(b"no video")
    sets = {"real": "real", "generated": "long", "baseline": "worse", "base-clips": "base"}
    options = [part for name, folder in sets.items() for part in (f"--{name}", str(folders / folder))]
    output = folders / "report"
    assert main([*options, "--features", "random3d", "--resamples", "20", "--output", str(output)]) == 0
    text = (output / "report.md").read_text()
    section = text.partition("## By part of the clip")[2].partition("\n## ")[0]
    assert f"| Fréchet distance by third, {FEATURES}, last third (dimension 2, 8 clips) | lower |" in section
    assert (
        f"| kernel distance from the base's own clips, {FEATURES}, first fragment (dimension 352, 8 clips)" in section
    )
    assert "by third" not in text.partition("## Distances from the real clips")[2].partition("\n## ")[0]
    assert "bad.mp4`: is corrupt" in text
    assert "By part of the clip" in (output / "report.html").read_text()
    contrast = Result.load(output / "against_baseline.json")
    difference = contrast.metric(f"Fréchet distance by third, {FEATURES}, last third, difference to baseline")
    assert difference is not None
    assert difference.value < 0
    assert len([item for item in Result.load(output / "report.json").skipped if item.file.endswith("bad.mp4")]) == 1


def test_three_clips_of_the_base_have_a_kernel_distance_alone(folders: Path) -> None:
    for number in range(3, COUNT):
        (folders / "base" / f"{number}.mkv").unlink()
    result = evaluate(folders / "real", folders / "long", settings=SETTINGS, base_clips=folders / "base").generated
    assert f"kernel distance from the base's own clips, {FEATURES}" in values(result)
    assert f"Fréchet distance from the base's own clips, {FEATURES}" not in values(result)
    assert "No Fréchet distance from the base's own clips: too few clips (3 of the base's)." in result.notes


def test_clips_of_one_film_and_one_clip_of_the_base_have_no_distance_of_pairs_and_it_is_said(
    folders: Path, write_lossless: Write, moving_clip: Callable[..., np.ndarray]
) -> None:
    shots = [moving_clip(100 + number, 3 * LENGTH) for number in range(COUNT)]
    write_lossless(folders / "film" / "film.mkv", np.concatenate(shots))
    for number in range(1, COUNT):
        (folders / "base" / f"{number}.mkv").unlink()
    result = evaluate(folders / "film", folders / "long", settings=SETTINGS, base_clips=folders / "base").generated
    assert f"Fréchet distance by third, {FEATURES}, first third" in values(result)
    assert not [name for name in values(result) if name.startswith(("kernel distance", "shift"))]
    assert [note for note in result.notes if "2 source files" in note] == [
        "No kernel distance and no shift of the mean off the axes: each needs 2 source files of each set.",
        "No kernel distance by third and no shift of the mean off the axes by third: each needs 2 source files of each "
        "set.",
        "No kernel distance from the base's own clips: it needs 2 source files of each set.",
    ]
