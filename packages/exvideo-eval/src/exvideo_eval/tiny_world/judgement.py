"""The tiny world's judges' verdicts on whole clips, and the measures of a set of clips that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.measure import Measure
from exvideo_eval.statistics import Clips
from exvideo_eval.tiny_world.judged import judged_measure
from exvideo_eval.tiny_world.judges import Judges, words_of
from exvideo_eval.tiny_world.text_match import MIN_CAPTIONS, retrieval_measure, score_measure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClipJudgement:
    """Of a whole clip.

    Args:
        probabilities: (classes,) by property.
        embedding: (128,).
        caption: that it was made from; None if unknown.
        truth: its class by property; empty if unknown.
    """

    probabilities: Mapping[str, Array]
    embedding: Array
    caption: str | None = None
    truth: Mapping[str, str] = field(default_factory=dict)


def judge_clip(judges: Judges, clip: Tensor, caption: str | None, truth: Mapping[str, str]) -> ClipJudgement:
    """Judge a uint8 RGB clip (frames, 3, height, width) as a whole, however long it is."""
    probabilities = {name: of_clips[0].numpy() for name, of_clips in judges.classify(clip[None]).items()}
    return ClipJudgement(probabilities, judges.embed_clips(clip[None])[0].numpy(), caption, truth)


def probabilities_of(judgements: Sequence[ClipJudgement], sources: Sequence[str], name: str) -> Clips:
    """Probabilities (clips, classes) of one property."""
    return Clips(np.stack([judgement.probabilities[name] for judgement in judgements]), tuple(sources))


def judge_measures(
    judgements: Sequence[ClipJudgement], sources: Sequence[str], judges: Judges, num_frames: int
) -> tuple[list[Measure], list[str]]:
    """All that captions and truths allow to measure of the clips, at least one, and notes on what they do not.

    Args:
        judgements, sources: of each clip, and the file it is from.
        num_frames: of the clips.

    Raises:
        ValueError: a sidecar's truth is none of the judges' classes.
    """
    measures, notes = _text_measures(judgements, sources, judges)
    for name, classes in judges.properties.items():
        known = [index for index, item in enumerate(judgements) if name in item.truth]
        if known:
            chosen, files = [judgements[index] for index in known], [sources[index] for index in known]
            probabilities = probabilities_of(chosen, files, name)
            truths = [judgement.truth[name] for judgement in chosen]
            measures.append(judged_measure(name, classes, probabilities, truths, num_frames))
    captioned = sum(item.caption is not None for item in judgements)
    told = sum(bool(item.truth) for item in judgements)
    note = f"Judged: {len(judgements)} clips, {captioned} with a caption, {told} with a known truth."
    return measures, [note, *notes]


def _text_measures(
    judgements: Sequence[ClipJudgement], sources: Sequence[str], judges: Judges
) -> tuple[list[Measure], list[str]]:
    captioned = [index for index, item in enumerate(judgements) if item.caption]
    if not captioned:
        return [], []
    texts = [judgements[index].caption or "" for index in captioned]
    embeddings = np.stack([judgements[index].embedding for index in captioned])
    clips = Clips(embeddings, tuple(sources[index] for index in captioned))
    captions = judges.embed_captions(texts).numpy()
    score = score_measure(clips, captions)
    retrieval = retrieval_measure(clips, captions, [words_of(text) for text in texts])
    if retrieval is None:
        return [score], [f"No CLIP-style retrieval: it needs {MIN_CAPTIONS} distinct captions."]
    return [score, retrieval], []
