"""One file, decoded once for all measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.clip_motions import clip_motions
from exvideo_eval.features.extractor import FeatureExtractor
from exvideo_eval.frame_curves import clip_curves, curves_to_real
from exvideo_eval.plan import ClipPlan
from exvideo_eval.tiny_world.judgement import judge_clip
from exvideo_eval.tiny_world.judges import Judges
from exvideo_eval.video_reader import Decoding, VideoInfo, iter_clips

Array = NDArray[np.float64]

_MIN_BATCH = 2  # a single window takes another path through a network's kernels, and comes out other bits


@dataclass(frozen=True)
class Instruments:
    """Instruments that all sets share: the cut of the clips, the feature network, and judges if the clips have any."""

    plan: ClipPlan
    extractor: FeatureExtractor
    judges: Judges | None = None
    batch_size: int = 8


@dataclass(frozen=True)
class MeasuredFile:
    """A file's measurements; arrays are ordered by time.

    Args:
        info: of the file.
        features: (clips, windows, dimension).
        curves: (clips, frames) by name.
        motions: (clips, ...) by name, as `clip_motions`.
        curves_to_real: (1, frames) by name, of the first clip; none without a twin.
        probabilities: (clips, classes) by property, of the judges; none without judges.
        embeddings: (clips, dimension) of the judges; None without judges.
    """

    info: VideoInfo
    features: Array
    curves: Mapping[str, Array]
    motions: Mapping[str, Array]
    curves_to_real: Mapping[str, Array]
    probabilities: Mapping[str, Array]
    embeddings: Array | None

    @property
    def num_clips(self) -> int:
        return self.features.shape[0]

    @property
    def num_windows(self) -> int:
        """Of each clip."""
        return self.features.shape[1]

    def without_features(self) -> "MeasuredFile":
        """The same, with features of dimension 0: the rest is small."""
        return replace(self, features=np.empty((self.num_clips, self.num_windows, 0)))


class FirstClip:
    """The first clip of a real file, for what is compared with it frame by frame: decoded at most once."""

    def __init__(self, path: Path, plan: ClipPlan) -> None:
        self.path, self._plan = path, plan
        self._clip: Tensor | None = None

    def keep(self, clip: Tensor) -> None:
        """Takes what somebody decoded already."""
        self._clip = clip

    def __call__(self) -> Tensor:
        """uint8 (frames, 3, height, width)."""
        if self._clip is None:
            self._clip = next(iter_clips(self.path, self._plan.num_frames, self._plan.size))
        return self._clip


def measure_file(
    path: Path,
    instruments: Instruments,
    twin: Callable[[], Tensor] | None = None,
    every_clip: bool = False,
    on_first: Callable[[Tensor], None] | None = None,
) -> MeasuredFile:
    """Decode a file to its end, and measure its clips on the way.

    Args:
        twin: gives the real clip that the first one is compared with.
        every_clip: all clips that the file holds, and not the first alone.
        on_first: called with the first clip.

    Raises:
        VideoReadError: the file cannot be used whole.
        ValueError: a feature is not finite.
    """
    plan, judges = instruments.plan, instruments.judges
    decoding = Decoding(path, plan.size)
    features, curves, motions, to_real, judged = [], [], [], [], []
    for number, clip in enumerate(iter_clips(decoding, plan.num_frames)):
        if number and not every_clip:
            continue  # read on to the end all the same: a file that is corrupt further on is not trusted
        features.append(_finite(path, window_features(clip, instruments)))
        curves.append(clip_curves(clip))
        motions.append(clip_motions(clip))
        if number == 0 and twin is not None:
            to_real.append(curves_to_real(clip, twin()))
        if number == 0 and on_first is not None:
            on_first(clip)
        if judges is not None:
            judged.append(judge_clip(judges, clip, None, {}))
    return MeasuredFile(
        info=decoding.info,
        features=np.stack(features),
        curves=_stacked(curves),
        motions=_stacked(motions),
        curves_to_real=_stacked(to_real),
        probabilities=_stacked([judgement.probabilities for judgement in judged]),
        embeddings=np.stack([judgement.embedding for judgement in judged]) if judged else None,
    )


def window_features(clip: Tensor, instruments: Instruments) -> Array:
    """Features (windows, dimension) of a uint8 clip (frames, 3, height, width), window after window."""
    plan, extractor = instruments.plan, instruments.extractor
    windows = clip.unfold(0, plan.window, plan.window_stride).permute(0, 4, 1, 2, 3)
    features = []
    for batch in windows.split(instruments.batch_size):
        filled = batch if len(batch) >= _MIN_BATCH else batch.expand(_MIN_BATCH, *batch.shape[1:])
        features.append(extractor(filled)[: len(batch)])
    return torch.cat(features).double().cpu().numpy()


def _finite(path: Path, features: Array) -> Array:
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise ValueError(
            f"The features of {path} are not finite in {len(bad)} of {len(features)} windows, first in {bad[0]}: "
            "look at that clip and take it out, or choose other features."
        )
    return features


def _stacked(items: list[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([item[name] for item in items]) for name in (items[0] if items else ())}
