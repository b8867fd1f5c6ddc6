"""The measures of clips on faults in footage."""

from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval.clip_measures.catalogue import CLIP_MEASURES, clip_measure_named
from exvideo_eval.features.packaged.rife import Rife
from exvideo_eval.measure_options import OF_CLIPS
from exvideo_eval.metrics.flow_direction import flow_cosine
from exvideo_eval.video_reader import iter_clips


def test_the_help_names_them_all() -> None:
    assert tuple(CLIP_MEASURES) == OF_CLIPS


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match="'smooth': choose one of smoothness, warp-error, dynamic-degree, flow-direction, niqe"
    ):
        clip_measure_named("smooth")


def test_shuffling_is_seen_and_freezing_wins_what_it_must_not_be_praised_for(rife: Rife, footage: Path) -> None:
    clip = next(iter_clips(footage / "bikes.mp4", 16, (64, 96)))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))

    def measured(name: str) -> list[tuple[float, ...]]:
        return [CLIP_MEASURES[name].values(each, 8.0, rife) for each in (clip, clip[[0] * 16], clip[order])]

    real, frozen, shuffled = (values[0] for values in measured("smoothness"))
    assert shuffled < real - 0.01 < frozen
    assert frozen > 0.999
    real, frozen, shuffled = (values[0] for values in measured("warp-error"))
    assert frozen < 0.001 < real < shuffled / 1.5
    forwards, backwards, still = (
        CLIP_MEASURES["flow-direction"].values(each, 8.0, rife) for each in (clip, clip.flip(0), clip[[0] * 16])
    )
    cosines = [flow_cosine(np.array(forwards), np.array(each)) for each in (forwards, backwards, still)]
    assert cosines == pytest.approx([1, -1, 0], abs=0.35)
    moves, frozen_moves, shuffled_moves = measured("dynamic-degree")
    assert (moves[0], frozen_moves[0], shuffled_moves[0]) == (1.0, 0.0, 1.0)
    assert frozen_moves[1] < 0.02 * moves[1] < moves[1] < shuffled_moves[1] / 2
