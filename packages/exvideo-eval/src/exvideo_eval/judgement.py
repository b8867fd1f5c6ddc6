"""The tiny world's judges' verdicts on whole clips, and the metrics of a set of clips that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.bootstrap import Resampling
from exvideo_eval.embedded.judges import Judges, words_of
from exvideo_eval.inception_style_score import inception_style_metric
from exvideo_eval.judged import judged_metric
from exvideo_eval.result_parts import Metric
from exvideo_eval.sidecar import Sidecar
from exvideo_eval.text_match import MIN_CAPTIONS, retrieval_metric, score_metric

Array = NDArray[np.float64]

REAL = ", real clips"  # ends the name of a metric of the real clips themselves, which the others are read against


@dataclass(frozen=True)
class ClipJudgement:
    """Of a whole clip: `probabilities` (classes,) by property, `embedding` (128,), and what stands beside its file."""

    probabilities: Mapping[str, Array]
    embedding: Array
    sidecar: Sidecar


def judge_clip(judges: Judges, clip: Tensor, sidecar: Sidecar) -> ClipJudgement:
    """Judge a uint8 RGB clip (frames, 3, height, width) as a whole, however long it is."""
    probabilities = {name: of_clips[0].numpy() for name, of_clips in judges.classify(clip[None]).items()}
    return ClipJudgement(probabilities, judges.embed_clips(clip[None])[0].numpy(), sidecar)


def judge_metrics(
    judgements: Sequence[ClipJudgement], judges: Judges, num_frames: int, resampling: Resampling
) -> tuple[list[Metric], list[str]]:
    """All that can be measured of the clips, at least one, and notes on what cannot.

    Raises:
        ValueError: a sidecar's truth is none of the judges' classes.
    """
    probabilities = {
        name: np.stack([judgement.probabilities[name] for judgement in judgements]) for name in judges.properties
    }
    matches, notes = _text_metrics([item for item in judgements if item.sidecar.caption], judges, resampling)
    metrics = [inception_style_metric(probabilities, resampling), *matches]
    for name, classes in judges.properties.items():
        known = [index for index, item in enumerate(judgements) if name in item.sidecar.truth]
        if known:
            truths = [judgements[index].sidecar.truth[name] for index in known]
            metrics.append(judged_metric(name, classes, probabilities[name][known], truths, num_frames, resampling))
    captioned = sum(item.sidecar.caption is not None for item in judgements)
    told = sum(bool(item.sidecar.truth) for item in judgements)
    return metrics, [f"Judged: {len(judgements)} clips, {captioned} with a caption, {told} with a known truth.", *notes]


def of_real_clips(metrics: Sequence[Metric]) -> list[Metric]:
    """The real clips' metrics as a result of generated ones holds them: under other names, neither good nor bad."""
    return [replace(metric, name=metric.name + REAL, better="neutral") for metric in metrics]


def _text_metrics(
    captioned: Sequence[ClipJudgement], judges: Judges, resampling: Resampling
) -> tuple[list[Metric], list[str]]:
    if not captioned:
        return [], []
    texts = [judgement.sidecar.caption or "" for judgement in captioned]
    clips, captions = np.stack([item.embedding for item in captioned]), judges.embed_captions(texts).numpy()
    score = score_metric(clips, captions, resampling)
    retrieval = retrieval_metric(clips, captions, [words_of(text) for text in texts], resampling)
    if retrieval is None:
        return [score], [f"No CLIP-style retrieval: it needs {MIN_CAPTIONS} distinct captions."]
    return [score, retrieval], []
