"""The cache of a run: all that clips are encoded to, shared by clips that overlap, and by runs.

files/<hash>/       of one video at one size: latents of its frames, and what the first frames of its clips decide
texts/<hash>.safetensors    of one caption

The hashes are of everything that the contents depend on, so that a cache is never stale: the video's bytes, the size,
the caption, and the weights and settings of the encoders.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from exvideo_infer import Base, Conditions
from torch import Tensor

from exvideo_train.config import NoiseAugmentationSection
from exvideo_train.data.cache_file import metadata_of, opened, write_cached
from exvideo_train.data.dataset import Clip
from exvideo_train.data.encoded_file import EncodedFile
from exvideo_train.data.fingerprint import fingerprint_of_encoders
from exvideo_train.data.motion import motion_bucket
from exvideo_train.data.noisy_images import read_variant, variants_of


@dataclass(frozen=True)
class EncodedClip:
    """A clip as the network is trained on it.

    Args:
        latents: (frames, channels, ...), in the network's scale.
        conditions: of a batch of one.
    """

    latents: Tensor
    conditions: Conditions

    @property
    def tokens(self) -> int:
        """Latents of the clip, frames x height x width."""
        return self.latents.numel() // self.latents.shape[1]


class LatentCache:
    """Clips in a folder: where they are to be encoded to, and reading them back.

    Args:
        folder: of the files.
        base: what encodes. Only a fingerprint of it is kept, so that its networks can be let go.
        hashes: sha256 of video files, in hex digits, where they are known; others are hashed when they are asked for.
        augmentation: noise on first frames; None for none.
    """

    def __init__(
        self,
        folder: Path,
        base: Base,
        hashes: Mapping[Path, str] | None = None,
        augmentation: NoiseAugmentationSection | None = None,
    ) -> None:
        self.folder = folder
        self.augmentation = augmentation or NoiseAugmentationSection()
        self.encoders = fingerprint_of_encoders(base)
        self.settings = base.encoding_settings
        self._frames_apart = base.encodes_frames_apart
        self._reads_text = base.tokenizer is not None
        self._conditions = base.conditions  # a static method: it holds no network
        self._hashes = dict(hashes or {})

    def content_of(self, clip: Clip) -> str:
        """The clip's name in the identity of a run, 32 hex digits.

        It is without the encoders' settings, as it was before they were looked at: the checkpoints of then go on.

        Raises:
            OSError: the video has to be hashed, and cannot be read.
        """
        key = asdict(clip) | {"path": self._hash_of(clip.path), "encoders": self.encoders}
        if clip.caption is None:
            del key["caption"]
        if clip.sampled is None:
            del key["sampled"]
        else:
            key["sampled"] = list(clip.sampled)
        return _hash(key)

    def file_of(self, clip: Clip) -> EncodedFile:
        """The folder that the clip's video is encoded to; raises as `content_of`."""
        key = {"video": self._hash_of(clip.path), "size": clip.size}
        return EncodedFile(self.folder / "files" / self._name(key))

    def text_of(self, caption: str | None) -> Path:
        """The file of a caption; None is the empty one."""
        return self.folder / "texts" / f"{self._name({'caption': caption or ''})}.safetensors"

    def files_of(self, clips: Iterable[Clip]) -> set[Path]:
        """The files that clips are read from, once they are encoded."""
        paths: set[Path] = set()
        for clip in clips:
            file = self.file_of(clip)
            paths.add(file.record_of(clip.places))
            if self.augmentation.variants:
                paths.add(variants_of(file, clip.places[0], self.augmentation))
            if self._frames_apart:
                paths.update(file.block_of(place) for place in clip.places)
            if self._reads_text:
                paths.add(self.text_of(clip.caption))
        return paths

    def of_before(self) -> list[Path]:
        """Files of the layout of before, a clip a file, by which overlapping clips were encoded again and again."""
        return sorted(self.folder.glob("*.safetensors"))

    def encode_text(self, caption: str | None, base: Base) -> None:
        """Encodes a caption for a base that reads text, unless its file is there, and whole.

        Raises:
            UserError: the cache cannot be written to.
        """
        if self._reads_text and metadata_of(self.text_of(caption)) is None:
            write_cached(self.text_of(caption), base.encode_text(caption or ""), {"caption": caption or ""})

    def read(self, clip: Clip, variant: int | None = None) -> EncodedClip:
        """A clip that is encoded, in fp32.

        Args:
            variant: of its first frame, number of `augmentation.variants`; None for the clean one.

        Raises:
            ValueError: one of its files is missing or damaged.
        """
        file = self.file_of(clip)
        tensors, motion = file.record(clip.places)
        if variant is not None:
            tensors |= read_variant(file, clip.places[0], variant, self.augmentation)
        if self._frames_apart:
            tensors["latents"] = file.latents(clip.places)
        if self._reads_text:
            with opened(self.text_of(clip.caption)) as text:
                tensors |= {name: text.get_tensor(name) for name in text.keys()}  # noqa: SIM118 not a dict
        encoded = {name: value.float() for name, value in tensors.items()}
        return EncodedClip(encoded["latents"], self._conditions(encoded, clip.fps, motion_bucket(motion)))

    def _name(self, key: dict[str, Any]) -> str:
        return _hash(key | {"encoders": self.encoders, "settings": self.settings})

    def _hash_of(self, path: Path) -> str:
        if path not in self._hashes:
            with path.open("rb") as file:
                self._hashes[path] = file_digest(file, "sha256").hexdigest()
        return self._hashes[path]


def _hash(key: dict[str, Any]) -> str:
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
