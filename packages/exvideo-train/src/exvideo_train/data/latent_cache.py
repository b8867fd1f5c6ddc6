"""Clips encoded once: latents and all that they are conditioned on, one safetensors file a clip.

The name of a file is a hash of everything that its contents depend on, so that a cache is never stale: the video's
bytes, the place, size and caption of the clip, and the weights and settings of the encoders.
"""

import errno
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_infer import Base, Conditions, read_clip
from torch import Tensor, nn

from exvideo_train.data.dataset import Clip
from exvideo_train.data.motion import motion_bucket, motion_score
from exvideo_train.errors import UserError


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
    """Encodes clips into a folder and reads them back.

    Args:
        folder: of the files; made if missing.
        size: (height, width) that clips are resized and cropped to, in pixels.
        base: what encodes. Only a fingerprint of it is kept, so that its networks can be let go.
        hashes: sha256 of video files, in hex digits, where they are known; others are hashed when they are asked for.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int], base: Base, hashes: Mapping[Path, str] | None = None
    ) -> None:
        self.folder = folder
        self.size = size
        self.encoders = fingerprint_of_encoders(base)
        self.settings = base.encoding_settings
        self._conditions = base.conditions  # a static method: it holds no network
        self._hashes = dict(hashes or {})

    def path_of(self, clip: Clip) -> Path:
        """The file that holds this clip once it is encoded.

        Raises:
            OSError: the video has to be hashed, and cannot be read.
        """
        name = _hash(self._key(clip) | {"settings": self.settings})
        return self.folder / f"{name}.safetensors"

    def content_of(self, clip: Clip) -> str:
        """The clip's name in the identity of a run, 32 hex digits; raises as `path_of`.

        It is without the encoders' settings, as it was before they were looked at: the checkpoints of then go on.
        """
        return _hash(self._key(clip))

    def encode(self, clip: Clip, base: Base) -> None:
        """Encodes a clip, unless its file is there, and whole. A damaged file is told, and written anew.

        To a base that reads text, a missing caption is the empty prompt.

        Raises:
            VideoError: the clip cannot be decoded whole.
            OSError: the video cannot be read.
            UserError: the folder cannot be written to, or its disk is full.
        """
        path = self.path_of(clip)
        if path.is_file():
            if _is_whole(path):
                return
            print(f"The cached clip {path} is damaged: it is encoded again.", file=sys.stderr)
        frames = read_clip(clip.path, clip.start, clip.num_frames, self.size).float() / 127.5 - 1
        tensors = {name: value.half() for name, value in base.encode(frames, clip.caption or "").items()}
        metadata = {"fps": repr(clip.fps), "motion_bucket_id": str(motion_bucket(motion_score(frames)))}
        try:
            write_safetensors(path, tensors, metadata)
        except OSError as error:
            raise _unwritable(self.folder, sum(value.nbytes for value in tensors.values()), error) from error

    def read(self, clip: Clip) -> EncodedClip:
        """A clip that `encode` has written, in fp32.

        Raises:
            ValueError: its file is missing or damaged.
        """
        tensors, metadata = read_safetensors(self.path_of(clip))
        encoded = {name: value.float() for name, value in tensors.items()}
        conditions = self._conditions(encoded, float(metadata["fps"]), int(metadata["motion_bucket_id"]))
        return EncodedClip(encoded["latents"], conditions)

    def _key(self, clip: Clip) -> dict[str, Any]:
        if clip.path not in self._hashes:
            with clip.path.open("rb") as file:
                self._hashes[clip.path] = file_digest(file, "sha256").hexdigest()
        key = asdict(clip) | {"path": self._hashes[clip.path], "size": self.size, "encoders": self.encoders}
        if clip.caption is None:
            del key["caption"]
        return key


def _hash(key: dict[str, Any]) -> str:
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _is_whole(path: Path) -> bool:
    """True if a safetensors file is as long as its header says; the tensors are not read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, LookupError, TypeError, AttributeError):
            return False
    return bool(ends) and size == 8 + length + max(ends)


def _unwritable(folder: Path, needed: int, error: OSError) -> UserError:
    way_out = "or name another folder as data.cache."
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The folder {folder} cannot be written to ({error.strerror}): mend that, {way_out}")
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return UserError(
        f"The folder {folder} is full: a clip needs {needed:,} bytes, and {free:,} are free: make room, {way_out}"
    )


def fingerprint_of_encoders(base: Base) -> str:
    """sha256 over the weights of all networks that encode, and over the tokenizer of a base that reads text."""
    weights = fingerprint(*base.encoders)
    if base.tokenizer is None:
        return weights
    # Without what a call leaves behind in it.
    rules = {
        key: value
        for key, value in json.loads(base.tokenizer.backend_tokenizer.to_str()).items()
        if key not in ("truncation", "padding")
    }
    tokenizer = json.dumps([rules, base.tokenizer.model_max_length, base.tokenizer.pad_token_id], sort_keys=True)
    return sha256((weights + tokenizer).encode()).hexdigest()


def fingerprint(*networks: nn.Module) -> str:
    """sha256 over names and values of all weights."""
    return fingerprint_of(item for network in networks for item in sorted(network.state_dict().items()))


def fingerprint_of(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """sha256 over names and values of tensors, in their order."""
    digest = sha256()
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
