"""Numbers of clips by their frames' embeddings: a clip that has none is named, and the others are counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.metrics.clip_similarity import frame_consistency
from exvideo_eval.protocols.figures import Measured
from exvideo_eval.protocols.measuring import MeasureSettings, Meter
from exvideo_eval.statistics import Resampling


@pytest.fixture
def folder(clip_sets: Path, tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """Three clips, and one of a single frame between them."""
    for number in (0, 2, 3):
        (tmp_path / f"{number}.mp4").write_bytes((clip_sets / "real" / f"{number}.mp4").read_bytes())
    write_video(tmp_path / "1.mp4", np.full((1, 32, 48, 3), 90, np.uint8))
    return tmp_path


def measured(folder: Path, network: PinnedFile) -> tuple[Meter, Measured]:
    meter = Meter(MeasureSettings(("temporal-clip",), {"clip": network}, {"clip": "small"}))
    return meter, meter.measure("generated", folder, folder, Resampling(50, 0.95, 0))


def test_a_clip_of_one_frame_is_named_and_the_others_are_counted(folder: Path, small: PinnedFile) -> None:
    meter, found = measured(folder, small)
    assert [(Path(item.file).name, item.measure, item.reason) for item in found.skipped] == [
        ("1.mp4", "temporal-clip", "has one frame, which has no next: give one of at least two")
    ]
    features = meter._features(meter.protocols["temporal-clip"], "generated", folder)
    by_file = dict(zip(features.files, features.features, strict=True))
    values = [frame_consistency(by_file[f"{number}.mp4"]) for number in (0, 2, 3)]
    (metric,) = found.metrics
    assert (metric.n, metric.value) == (3, pytest.approx(np.mean(values)))
    assert found.clip_values[0].clips == ("0.mp4", "2.mp4", "3.mp4")
    assert found.clip_values[0].values == pytest.approx(values)
    assert found.record["temporal-clip"]["samples"] == {"generated": 3}


def test_a_set_without_any_is_an_error_that_says_why(folder: Path, small: PinnedFile) -> None:
    for number in (0, 2, 3):
        (folder / f"{number}.mp4").unlink()
    with pytest.raises(ValueError, match=r"None of the 1 files of generated clips .* used by temporal CLIP: 1.mp4 has"):
        measured(folder, small)
