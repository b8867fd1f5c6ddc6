"""The measures that order a page's clips: all that results have, and none that says nothing of good and bad."""

from pathlib import Path

import numpy as np
import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.page.ranking import ranking_of, require_possible
from exvideo_eval.result_parts import VALUE
from exvideo_eval.results import Result
from exvideo_eval.tiny_world import judges


@pytest.fixture
def result(tiny_world_folders: Path, judges_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """With judges and seams, so with every measure that needs no network from elsewhere."""
    monkeypatch.setattr(judges, "FOLDER", judges_folder)
    settings = Settings(features="random3d", window=4, resamples=0, seam_every=4)
    return evaluate(tiny_world_folders / "real", tiny_world_folders / "generated", settings=settings).generated


def test_what_can_be_asked_for_is_what_results_have(result: Result) -> None:
    found = {item.metric for item in result.clip_values if item.kind == VALUE}
    assert {"motion energy", "still clips", "seam", "judged shape right"} < found
    refused = {measure for measure in found if not order_by(result, measure)}
    assert refused == {"PSNR to real", "difference to real", "flicker", "change over 1 frame", "change over 4 frames"}
    for measure in found - refused:
        require_possible(measure)


def order_by(result: Result, measure: str) -> bool:
    """True if there is an order, of all clips; False if it is refused as the measure says nothing of good and bad."""
    try:
        ranking = ranking_of(result, (), measure)
    except ValueError as error:
        return "tell good from bad" not in str(error)
    assert {name for name, _ in ranking.order} == {"0", "1", "2", "3"}
    return True


def test_of_neutral_measures_that_is_best_which_is_like_the_real_clips(result: Result) -> None:
    ranking = ranking_of(result, (), "largest jump")
    of_real = result.metric("largest jump, real clips")
    assert of_real is not None
    assert f"nearest to the real clips' {of_real.value:.4g}" in ranking.measure
    apart = [abs(np.log(value / of_real.value)) for _, value in ranking.order if value]
    assert apart == sorted(apart)


def test_measures_that_are_added_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"No clips have values of 'dynamic degree, RIFE 3.9': choose one of"):
        require_possible("dynamic degree, RIFE 3.9")
    require_possible("dynamic degree, RIFE 3.9", ["dynamic-degree"])
    with pytest.raises(ValueError, match=r"'warp error, RIFE 3.9'"):
        require_possible("warp error, RIFE 3.9", ["dynamic-degree"])
    require_possible("CLIP score", ["clip-score"])  # of a network whose name is known later
