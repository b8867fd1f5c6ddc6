"""All that is encoded of one video at one size: a folder of safetensors files.

latents-00000064.safetensors            latents of frames 64 to 127, those that some clip needs: `latents` (frames,
                                        ...); metadata: {"frames": "[[64, 128]]"}, stretches, their ends not included
clip-00000016-1a2b3c4d.safetensors      of a clip, named by its first frame and a hash of all: what its first frame
                                        decides, and the `latents` of an autoencoder over time; metadata:
                                        {"motion_score": "0.25"}

Latents are kept by frame, and not by clip, so that clips that overlap share them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from exvideo_train.data.cache_file import metadata_of, opened, write_cached

BLOCK = 64  # frames in a file: so many are encoded again after a kill, and a clip of 128 reads three


class EncodedFile:
    """A video's folder in a cache.

    Args:
        folder: made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def block_of(self, place: int) -> Path:
        """The file that holds the latents of a frame."""
        return self.folder / f"latents-{place // BLOCK * BLOCK:08}.safetensors"

    def record_of(self, places: Sequence[int]) -> Path:
        """The file of a clip of these frames."""
        name = sha256(json.dumps(list(places)).encode()).hexdigest()[:8]
        return self.folder / f"clip-{places[0]:08}-{name}.safetensors"

    def frames(self) -> set[int]:
        """Frames whose latents are here, in whole files."""
        found: set[int] = set()
        for path in sorted(self.folder.glob("latents-*.safetensors")):
            found.update(_places_in(metadata_of(path)))
        return found

    def has_record(self, places: Sequence[int]) -> bool:
        """True if a clip's own file is here, and whole."""
        return metadata_of(self.record_of(places)) is not None

    def add_latents(self, latents: Mapping[int, Tensor]) -> None:
        """Writes the latents of frames of one block, beside those that it has; raises UserError as `write_cached`."""
        path = self.block_of(next(iter(latents)))
        kept, there = dict(latents), _places_in(metadata_of(path))
        if there:
            with opened(path) as file:
                kept |= dict(zip(there, file.get_tensor("latents"), strict=True))
        places = sorted(kept)
        tensors = {"latents": torch.stack([kept[place] for place in places])}
        write_cached(path, tensors, {"frames": json.dumps(list(_stretches(places)))})

    def add_record(self, places: Sequence[int], tensors: Mapping[str, Tensor], motion_score: float) -> None:
        """Writes a clip's own file; raises UserError as `write_cached`."""
        write_cached(self.record_of(places), tensors, {"motion_score": repr(motion_score)})

    def latents(self, places: Sequence[int]) -> Tensor:
        """Latents of rising frames, (frames, ...), fp16; no others are read.

        Raises:
            ValueError: one is not here, or its file is damaged.
        """
        parts = []
        for _, group in groupby(places, key=lambda place: place // BLOCK):
            wanted = list(group)
            path = self.block_of(wanted[0])
            with opened(path) as file:
                row_of = {place: row for row, place in enumerate(_places_in(file.metadata()))}
                lacking = next((place for place in wanted if place not in row_of), None)
                if lacking is not None:
                    raise ValueError(f"{path} lacks frame {lacking}: start again to encode what is missing.")
                rows = [row_of[place] for place in wanted]
                part = file.get_slice("latents")[rows[0] : rows[-1] + 1]
                parts.append(part[[row - rows[0] for row in rows]])
        return torch.cat(parts)

    def record(self, places: Sequence[int]) -> tuple[dict[str, Tensor], float]:
        """The tensors of a clip's own file, fp16, and its motion score; raises ValueError as `latents`."""
        with opened(self.record_of(places)) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
            return tensors, float(file.metadata()["motion_score"])


def _places_in(metadata: Mapping[str, str] | None) -> list[int]:
    stretches = [] if metadata is None else json.loads(metadata["frames"])
    return [place for start, end in stretches for place in range(start, end)]


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    for _, group in groupby(enumerate(places), key=lambda item: item[1] - item[0]):
        stretch = [place for _, place in group]
        yield stretch[0], stretch[-1] + 1
