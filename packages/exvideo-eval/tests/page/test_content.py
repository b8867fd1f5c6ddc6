"""The page of an evaluation: the right clips, found by their names, whatever their endings and folders."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.page import page_of
from exvideo_eval.result_parts import ClipValues, Curve
from exvideo_eval.suite import Evaluation
from exvideo_eval.video_reader import VideoReadError

SETTINGS = Settings(features="random3d", window=4, resamples=20)


VALUES = {"3": 9e-9, "0": 1.0, "2": 0.001, "1": 0.0004}


@pytest.fixture
def evaluation(clip_folders: Path) -> Evaluation:
    """Of clips of which number 2 moves most like the real ones, and 0 or 3 least."""
    found = evaluate(*(clip_folders / name for name in ("real", "generated", "frozen")), settings=SETTINGS)
    values = ClipValues("motion energy", None, "value", tuple(VALUES), tuple(VALUES), tuple(VALUES.values()))
    real = Curve("motion energy", "", "frame index", (1, 2), (0.0009, 0.0011), series="real")
    others = tuple(curve for curve in found.generated.curves if (curve.name, curve.series) != (real.name, "real"))
    return replace(found, generated=replace(found.generated, clip_values=(values,), curves=(real, *others)))


def test_examples_stand_beside_their_real_clip_and_the_baseline_s(clip_folders: Path, evaluation: Evaluation) -> None:
    content = page_of(evaluation.generated, evaluation.baseline, "# Report\n\nText", 3)
    assert len(content.rows) == 3
    assert content.report == "Text"
    assert (content.num_frames, content.size, content.fps) == (12, (32, 32), 8.0)
    for row in content.rows:
        assert {who: path and path.relative_to(clip_folders).as_posix() for who, path in row.clips.items()} == {
            who: f"{folder}/{row.example.name}.mp4"
            for who, folder in (("real", "real"), ("baseline", "frozen"), ("generated", "generated"))
        }
    assert [(row.example.name, row.example.reason) for row in content.rows] == [
        ("2", "best (1 of 4)"),
        ("0", "3 of 4"),
        ("3", "worst (4 of 4)"),
    ]
    assert "4 files of one name" in content.lead


def test_curves_of_all_sets_are_told_apart(evaluation: Evaluation) -> None:
    curves = page_of(evaluation.generated, evaluation.baseline, "", 1).curves
    assert list(curves["motion energy"]) == ["real", "baseline", "generated"]
    assert max(curves["motion energy"]["baseline"].y) < 0.1 * max(curves["motion energy"]["generated"].y)
    assert list(curves["PSNR to real"]) == ["baseline", "generated"]


def test_strangers_stand_beside_any_real_clip_and_are_called_so(
    tmp_path: Path, write_video: Callable[..., Path], moving_clip: Callable[..., np.ndarray]
) -> None:
    for number in range(3):
        write_video(tmp_path / "real" / f"{number}.mp4", moving_clip(number))
        write_video(tmp_path / "generated" / "sub" / f"other{number}.mkv", moving_clip(number + 5))
    (tmp_path / "generated" / "sub" / "other0.png").write_bytes(b"a thumbnail")
    content = page_of(evaluate(tmp_path / "real", tmp_path / "generated", settings=SETTINGS).generated, None, "", 9)
    assert len(content.rows) == 3
    assert [row.clips["real"] for row in content.rows] == [tmp_path / "real" / f"{number}.mp4" for number in range(3)]
    assert not any(row.is_paired for row in content.rows)
    assert {row.clips["generated"].suffix for row in content.rows if row.clips["generated"]} == {".mkv"}
    assert "baseline" not in content.rows[0].clips
    assert "none of one name" in content.lead


def test_a_clip_that_is_gone_is_named(clip_folders: Path, evaluation: Evaluation) -> None:
    (clip_folders / "generated" / "0.mp4").unlink()
    with pytest.raises(VideoReadError, match="0: was measured and is gone: leave the clips where they are"):
        page_of(evaluation.generated, None, "", 4)


def test_a_measure_that_clips_have_no_values_of_is_refused_with_those_there_are(evaluation: Evaluation) -> None:
    with pytest.raises(ValueError, match=r"no values of 'beauty' clip by clip .*: choose one of .*motion energy"):
        page_of(evaluation.generated, None, "", 3, measure="beauty")
