"""Captions of clips, to CLIP."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.features.published.loading import LoadedNetwork
from exvideo_eval.protocols.definition import Protocol
from exvideo_eval.protocols.extraction import SetFeatures
from exvideo_eval.sidecar import SidecarError, read_sidecar

Array = NDArray[np.float64]


def caption_embeddings(protocol: Protocol, network: LoadedNetwork, found: SetFeatures) -> tuple[Array, tuple[str, ...]]:
    """Embedding of each clip's caption (clips, dimension); and a note on captions that were cut.

    Raises:
        ValueError: the network reads no captions, a clip has none, or its sidecar cannot be read.
    """
    if network.clip is None:
        raise ValueError(f"{network.name} reads no captions: {protocol.name} needs a CLIP that transformers loads.")
    captions = [_caption(found.folder / file) for file in found.files]
    without = [file for file, caption in zip(found.files, captions, strict=True) if not caption]
    if without:
        raise ValueError(
            f"{protocol.name} compares clips with their captions, and {len(without)} of {len(captions)} have none "
            f"({', '.join(without[:3])}): write each into NAME.txt beside NAME.mp4."
        )
    embeddings, cut = network.clip.captions([caption or "" for caption in captions])
    texts: Array = embeddings.double().cpu().numpy()
    notes = (f"{protocol.name}: {cut} captions are longer than the network reads, and were cut.",) if cut else ()
    return texts, notes


def _caption(video: Path) -> str | None:
    try:
        return read_sidecar(video).caption
    except SidecarError as error:
        raise ValueError(str(error)) from error
