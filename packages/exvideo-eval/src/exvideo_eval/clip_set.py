"""A folder of video files, measured: features of windows and curves of clips, and what had to be left out."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exvideo_eval.embedded.judges import Judges
from exvideo_eval.features.extractor import FeatureExtractor
from exvideo_eval.folder import clip_name, list_files, nothing_usable
from exvideo_eval.frame_curves import clip_curves, curves_to_real
from exvideo_eval.judgement import ClipJudgement, judge_clip
from exvideo_eval.plan import ClipPlan
from exvideo_eval.result_parts import Skipped
from exvideo_eval.sidecar import Sidecar, SidecarError, read_sidecar
from exvideo_eval.video_reader import Decoding, VideoInfo, VideoReadError, iter_clips

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

_BATCH_SIZE = 8


@dataclass(frozen=True)
class Instruments:
    """Instruments that all sets share: the cut of the clips, the feature network, and judges if the clips have any."""

    plan: ClipPlan
    extractor: FeatureExtractor
    judges: Judges | None = None


@dataclass(frozen=True)
class ClipSet:
    """One folder's measurements. Arrays are ordered as `files`, and by time within a file.

    `features`: one (windows, dimension) array a clip. `curves`: (clips, frames) a name. `curves_to_real`: the same for
    the clips with a real file of their name, endings apart. `judgements`: one a clip, or none without judges.
    """

    role: str
    folder: Path
    files: tuple[str, ...]
    infos: tuple[VideoInfo, ...]
    sha256: str
    features: tuple[Array, ...]
    curves: Mapping[str, Array]
    curves_to_real: Mapping[str, Array]
    judgements: tuple[ClipJudgement, ...]
    skipped: tuple[Skipped, ...]

    @property
    def num_clips(self) -> int:
        return len(self.features)

    @property
    def num_windows(self) -> int:
        return sum(map(len, self.features))


@dataclass(frozen=True)
class _MeasuredFile:
    info: VideoInfo
    sha256: str
    features: list[Array]
    curves: list[Mapping[str, Array]]
    curves_to_real: list[Mapping[str, Array]]
    judgements: list[ClipJudgement]


def measure(role: str, folder: Path, instruments: Instruments, real: ClipSet | None = None) -> ClipSet:
    """Read and measure every file of a folder, streaming; a file that cannot be used whole is skipped and reported.

    Real files (`real` is None) are cut into as many consecutive clips as they hold; of generated files, only the first
    num_frames count, since the frame index means the distance from the conditioning image.

    Raises:
        ValueError: no such folder, nothing in it, or no file of it usable.
    """
    used: dict[str, _MeasuredFile] = {}
    twins = {} if real is None else {Path(file).with_suffix("").as_posix(): real.folder / file for file in real.files}
    skipped: list[Skipped] = []
    for path in list_files(role, folder):
        twin, file = twins.get(clip_name(folder, path)), path.relative_to(folder).as_posix()
        sidecar = Sidecar()
        try:
            sidecar = read_sidecar(path) if instruments.judges is not None else sidecar
        except SidecarError as error:
            skipped.append(_skipped(error.path, error.reason))
        try:
            used[file] = _measure_file(path, instruments, twin, sidecar, every_clip=real is None)
        except VideoReadError as error:
            skipped.append(_skipped(path, error.reason))
    if not used:
        raise nothing_usable(role, folder, skipped)
    measured = list(used.values())
    names = "".join(f"{name} {file.sha256}\n" for name, file in used.items())
    clip_set = ClipSet(
        role=role,
        folder=folder,
        files=tuple(used),
        infos=tuple(file.info for file in measured),
        sha256=hashlib.sha256(names.encode()).hexdigest(),
        features=tuple(features for file in measured for features in file.features),
        curves=_stacked([curves for file in measured for curves in file.curves]),
        curves_to_real=_stacked([curves for file in measured for curves in file.curves_to_real]),
        judgements=tuple(judgement for file in measured for judgement in file.judgements),
        skipped=tuple(skipped),
    )
    counts = (clip_set.num_clips, instruments.plan.num_frames, len(used), clip_set.num_windows)
    logger.info("%s: %d clips of %d frames (files: %d, windows: %d)", role, *counts)
    return clip_set


def _measure_file(
    path: Path, instruments: Instruments, twin: Path | None, sidecar: Sidecar, every_clip: bool
) -> _MeasuredFile:
    plan = instruments.plan
    decoding = Decoding(path, plan.size)
    features, curves, to_real, judgements = [], [], [], []
    for number, clip in enumerate(iter_clips(decoding, plan.num_frames)):
        if number and not every_clip:
            continue  # read on to the end all the same: a file that is corrupt further on is not trusted
        features.append(window_features(clip, plan, instruments.extractor))
        curves.append(clip_curves(clip))
        if twin is not None:
            (real_clip,) = islice(iter_clips(twin, plan.num_frames, plan.size), 1)
            to_real.append(curves_to_real(clip, real_clip))
        if instruments.judges is not None:
            # A sidecar tells of the file's beginning: later on, what bounced left first may go right.
            judgements.append(judge_clip(instruments.judges, clip, Sidecar() if number else sidecar))
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return _MeasuredFile(decoding.info, sha256, features, curves, to_real, judgements)


def _skipped(path: Path, reason: str) -> Skipped:
    logger.warning("skipped %s: %s", path, reason)
    return Skipped(str(path), reason)


def window_features(clip: Tensor, plan: ClipPlan, extractor: FeatureExtractor) -> Array:
    """Features (windows, dimension) of a uint8 clip (frames, 3, height, width), window after window."""
    windows = clip.unfold(0, plan.window, plan.window_stride).permute(0, 4, 1, 2, 3)
    features = torch.cat([extractor(batch) for batch in windows.split(_BATCH_SIZE)])
    return features.double().cpu().numpy()


def _stacked(curves: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([item[name] for item in curves]) for name in (curves[0] if curves else ())}
