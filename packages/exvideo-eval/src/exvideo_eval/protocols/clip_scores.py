"""A number of each clip from its frames' embeddings; a clip that has none is left out and named."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.features.published.loading import LoadedNetwork
from exvideo_eval.folder import nothing_usable
from exvideo_eval.metrics.clip_similarity import frame_consistency, text_similarity
from exvideo_eval.metrics.unfit_clip import UnfitClipError
from exvideo_eval.protocols.captions import caption_embeddings
from exvideo_eval.protocols.definition import Protocol
from exvideo_eval.protocols.extraction import SetFeatures
from exvideo_eval.protocols.statistics import CaptionSimilarity, FrameConsistency
from exvideo_eval.result_parts import Skipped

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClipScores:
    """Values (clips,) of a set's clips, their files relative to its folder, the files left out, and notes."""

    values: Array
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


def clip_scores(
    protocol: Protocol, network: LoadedNetwork, kind: CaptionSimilarity | FrameConsistency, found: SetFeatures
) -> ClipScores:
    """The value of each clip of a set that has one.

    Raises:
        ValueError: as `caption_embeddings`; or none has one.
    """
    captions: Array | None = None
    notes: tuple[str, ...] = ()
    if isinstance(kind, CaptionSimilarity):
        captions, notes = caption_embeddings(protocol, network, found)
    values: dict[str, float] = {}
    skipped = list(found.skipped)
    for number, (file, frames) in enumerate(zip(found.files, found.features, strict=True)):
        try:
            if isinstance(kind, CaptionSimilarity) and captions is not None:
                values[file] = kind.factor * text_similarity(frames, captions[number])
            else:
                values[file] = frame_consistency(frames)
        except UnfitClipError as error:
            skipped.append(Skipped.of(found.folder / file, error.reason))
    if not values:
        raise nothing_usable(found.role, found.folder, skipped, protocol.name)
    return ClipScores(np.array([*values.values()]), tuple(values), tuple(skipped), notes)
