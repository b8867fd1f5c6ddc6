from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from exvideo_eval import Settings, evaluate
from exvideo_eval.result_parts import Metric
from exvideo_eval.statistics import Resampling
from exvideo_eval.tiny_world import judges as judges_module
from exvideo_eval.tiny_world.judge_features import JudgeFeatures
from exvideo_eval.tiny_world.judgement import ClipJudgement, judge_clip, judge_measures
from exvideo_eval.tiny_world.judges import Judges
from exvideo_eval.video_reader import iter_clips

SETTINGS = Settings(window=4, resamples=10)
JUDGED = ["shape", "colour", "place", "motion"]


def names(metrics: Iterable[Metric]) -> set[str]:
    """Of what the judges say, apart from the Fréchet distance on their features."""
    return {metric.name for metric in metrics if metric.features == "tiny-world judges" and not metric.dimension}


def test_generated_baseline_and_real_clips_of_the_tiny_world_are_judged(
    tiny_world_folders: Path, judges: Judges
) -> None:
    folders = (tiny_world_folders / name for name in ("real", "generated", "frozen"))
    evaluation = evaluate(*folders, settings=SETTINGS, extractor=JudgeFeatures(judges))
    generated, frozen = evaluation.generated, evaluation.baseline
    assert frozen is not None
    clip = "CLIP-style score, tiny-world judges"
    kinds = {f"kinds of {name} told apart, tiny-world judges" for name in JUDGED}
    own = {clip, *kinds, *(f"judged {name} right" for name in JUDGED)}
    real = {f"{name}, real clips" for name in own}
    assert names(generated.metrics) == own | real
    assert names(frozen.metrics) == kinds | real  # they have no sidecars
    assert generated.protocol["judges"] == dict(judges.sha256)
    assert generated.skipped == ()
    assert "Judged: 4 clips, 4 with a caption, 4 with a known truth." in generated.notes
    assert "Judged: 4 clips, 0 with a caption, 0 with a known truth." in frozen.notes
    assert "No CLIP-style retrieval: it needs 8 distinct captions." in generated.notes
    frechet = generated.metric("Fréchet distance, tiny-world judges features")
    assert frechet is not None
    assert (frechet.n, frechet.dimension) == (4, 1)


def test_scores_are_of_whole_clips(tiny_world_folders: Path, judges: Judges) -> None:
    folders = (tiny_world_folders / name for name in ("real", "generated"))
    result = evaluate(*folders, settings=SETTINGS, extractor=JudgeFeatures(judges)).generated
    metric = result.metric("CLIP-style score, tiny-world judges")
    assert metric is not None
    clips = torch.stack(
        [next(iter_clips(path, 12, (32, 32))) for path in sorted((tiny_world_folders / "generated").glob("*.mp4"))]
    )
    assert metric.value == pytest.approx(judges.similarity(clips, ["a red circle moves left"] * 4).mean().item(), 1e-5)


def test_clips_of_the_tiny_world_are_judged_beside_other_features_if_the_judges_are_there(
    tiny_world_folders: Path, judges_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (tiny_world_folders / "real", tiny_world_folders / "generated")
    settings = Settings(features="random3d", window=4, resamples=0)
    monkeypatch.setattr(judges_module, "FOLDER", judges_folder)
    assert names(evaluate(*folders, settings=settings).generated.metrics)
    other = evaluate(tiny_world_folders / "frozen", folders[1], settings=settings).generated
    assert (names(other.metrics), other.protocol["judges"]) == (set(), None)
    monkeypatch.setattr(judges_module, "FOLDER", tmp_path)
    assert not names(evaluate(*folders, settings=settings).generated.metrics)


def test_judges_that_are_asked_for_other_clips_say_that_they_do_not_know_them(
    clip_folders: Path, judges: Judges
) -> None:
    folders = (clip_folders / "real", clip_folders / "generated")
    result = evaluate(*folders, settings=SETTINGS, extractor=JudgeFeatures(judges)).generated
    assert any("no real clip says that it is of it: do not trust them" in note for note in result.notes)


def test_a_damaged_sidecar_is_reported_and_its_clip_still_counts(tiny_world_folders: Path, judges: Judges) -> None:
    (tiny_world_folders / "generated" / "1.json").write_text("{")
    folders = (tiny_world_folders / name for name in ("real", "generated"))
    result = evaluate(*folders, settings=SETTINGS, extractor=JudgeFeatures(judges)).generated
    assert [Path(item.file).name for item in result.skipped] == ["1.json"]
    assert "Judged: 4 clips, 3 with a caption, 3 with a known truth." in result.notes


def test_a_sidecar_tells_nothing_of_the_later_parts_of_a_real_file(
    tmp_path: Path,
    write_video: Callable[..., Path],
    write_sidecar: Callable[..., Path],
    moving_clip: Callable[..., np.ndarray],
    judges: Judges,
) -> None:
    for folder, frames in (("real", 24), ("generated", 12)):
        write_sidecar(write_video(tmp_path / folder / "a.mp4", moving_clip(0, num_frames=frames)))
    folders = (tmp_path / "real", tmp_path / "generated")
    result = evaluate(*folders, settings=SETTINGS, extractor=JudgeFeatures(judges)).generated
    assert "Real clips: Judged: 2 clips, 1 with a caption, 1 with a known truth." in result.notes


def test_every_metric_of_many_captioned_clips(judges: Judges) -> None:
    clips = torch.randint(0, 256, (8, 3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    texts = ["a", "red", "circle", "moves", "left", "a red", "a circle", "red circle"]
    judgements = [judge_clip(judges, clip, text, {}) for clip, text in zip(clips, texts, strict=True)]
    judgements.append(ClipJudgement(judgements[0].probabilities, judgements[0].embedding))
    measures, notes = judge_measures(judgements, list("abcdefghi"), judges, 3)
    found = {measure.name: measure.metric(Resampling(0, 0.95, 0))[0] for measure in measures}
    similar = judges.similarity(clips, texts)
    assert found["CLIP-style score, tiny-world judges"].value == pytest.approx(similar.mean().item(), abs=1e-5)
    assert found["CLIP-style retrieval, tiny-world judges"].n == 8
    assert notes == ["Judged: 9 clips, 8 with a caption, 0 with a known truth."]
