"""Reactions of exvideo-eval's measures to a fault: the set that has it against one that has not, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exvideo_eval import Evaluation, Execution, Metric, Settings, evaluate
from exvideo_eval.verdict import BETTER, UNDECIDED, WORSE, Margin, verdict_of_difference

from benchmarks.faults.catalogue import Fault
from benchmarks.faults.footage import NUM_FRAMES, SIDE, Pair, write_lossless

HIGHER, LOWER, UNMOVED = "higher", "lower", "unmoved"  # higher and lower: of a neutral measure
REAL, SOUND = "real", "sound"
SMALL = (96, 96)  # pixels
BY_RIFE = ("smoothness", "warp-error", "dynamic-degree", "flow-direction")
BY_PICTURES = ("niqe", "brisque")  # NIQE wants pictures of 192x192
ROUNDING = 1e-9  # of the sound set's figure


@dataclass(frozen=True)
class Reaction:
    """A measure's reaction: which way is `better`, and it `moved` worse, better, higher, lower, or stayed unmoved.

    `is_small`: decided, and no more than `compare` lets pass.
    """

    better: str
    moved: str
    is_small: bool = False


def write_sound(folder: Path, pairs: Sequence[Pair]) -> None:
    """Writes the sets that every fault is judged against, `real/` and `sound/`."""
    for pair in pairs:
        write_lossless(folder / REAL / f"{pair.name}.mkv", pair.real)
        write_lossless(folder / SOUND / f"{pair.name}.mkv", pair.sound)


def reactions(folder: Path, name: str, fault: Fault, pairs: Sequence[Pair], workers: int = 1) -> dict[str, Reaction]:
    """Each measure's reaction, by the measure's name, to a fault of the sound clips.

    Args:
        folder: with `real/` and `sound/`; gets a set called by the fault's name, and a cache.
        workers: files that are measured at a time.
    """
    for pair in pairs:
        write_lossless(folder / name / f"{pair.name}.mkv", fault.apply(pair.sound))
    found: dict[str, Reaction] = {}
    for features, size, measures in (("transnetv2", SMALL, BY_RIFE), ("random3d", (SIDE, SIDE), BY_PICTURES)):
        settings = Settings(features, num_frames=NUM_FRAMES, size=size, seam_every=NUM_FRAMES // 2)
        execution = Execution(cache=folder / "cache", workers=workers)
        real, faulty, sound = (folder / place for place in (REAL, name, SOUND))
        judged = evaluate(real, faulty, sound, settings, execution=execution, clip_measures=measures)
        found = {**of_evaluation(judged), **found}
    return found


def of_evaluation(evaluation: Evaluation) -> dict[str, Reaction]:
    """Reactions by measure, of an evaluation whose baseline is the sound set."""
    baseline, contrast = evaluation.baseline, evaluation.contrast
    assert baseline is not None
    assert contrast is not None
    sound = {(item.name, item.features): item for item in baseline.metrics}
    found = {}
    for metric in contrast.metrics:
        if metric.contrast.startswith("difference"):
            name = metric.name.removesuffix(f", {metric.contrast}")
            found[name] = _reaction(metric, sound[name, metric.features])
    return found


def _reaction(difference: Metric, sound: Metric) -> Reaction:
    """By the verdict of the report; what is a rounding of the sound set's figure has moved nothing."""
    verdict, size = verdict_of_difference(difference), abs(difference.value)
    if verdict in ("", UNDECIDED) or size <= ROUNDING * abs(sound.value):
        return Reaction(difference.better, UNMOVED)
    if verdict not in (BETTER, WORSE):
        verdict = HIGHER if difference.value > 0 else LOWER
    return Reaction(difference.better, verdict, is_small=size <= Margin().of(sound))
