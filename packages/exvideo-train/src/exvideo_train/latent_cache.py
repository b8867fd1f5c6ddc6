"""Clips encoded once: latents and all that they are conditioned on, one safetensors file a clip.

The name of a file is a hash of everything that its contents depend on, so that a cache is never stale: the video's
bytes, the place, size and caption of the clip, and the weights of the encoders.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_infer import Base, Conditions, read_clip
from torch import Tensor, nn

from exvideo_train.dataset import Clip
from exvideo_train.motion import motion_bucket, motion_score


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
    """

    def __init__(self, folder: Path, size: tuple[int, int], base: Base) -> None:
        self.folder = folder
        self.size = size
        self.encoders = fingerprint_of_encoders(base)
        self._conditions = base.conditions  # a static method: it holds no network
        self._content: dict[Path, str] = {}

    def path_of(self, clip: Clip) -> Path:
        """The file that holds this clip once it is encoded."""
        if clip.path not in self._content:
            with clip.path.open("rb") as file:
                self._content[clip.path] = file_digest(file, "sha256").hexdigest()
        key = asdict(clip) | {"path": self._content[clip.path], "size": self.size, "encoders": self.encoders}
        if clip.caption is None:
            del key["caption"]
        name = sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / f"{name}.safetensors"

    def encode(self, clip: Clip, base: Base) -> None:
        """Encodes a clip, unless its file is there. To a base that reads text, a missing caption is the empty prompt.

        Raises:
            VideoError: the clip cannot be decoded whole.
        """
        path = self.path_of(clip)
        if path.is_file():
            return
        frames = read_clip(clip.path, clip.start, clip.num_frames, self.size).float() / 127.5 - 1
        tensors = {name: value.half() for name, value in base.encode(frames, clip.caption or "").items()}
        metadata = {"fps": repr(clip.fps), "motion_bucket_id": str(motion_bucket(motion_score(frames)))}
        write_safetensors(path, tensors, metadata)

    def read(self, clip: Clip) -> EncodedClip:
        """A clip that `encode` has written, in fp32.

        Raises:
            ValueError: its file is missing or damaged.
        """
        tensors, metadata = read_safetensors(self.path_of(clip))
        encoded = {name: value.float() for name, value in tensors.items()}
        conditions = self._conditions(encoded, float(metadata["fps"]), int(metadata["motion_bucket_id"]))
        return EncodedClip(encoded["latents"], conditions)


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
    digest = sha256()
    for network in networks:
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
