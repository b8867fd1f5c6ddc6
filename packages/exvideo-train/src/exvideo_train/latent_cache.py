"""Clips encoded once: latents, first-frame condition and embedding, one safetensors file a clip.

The name of a file is a hash of everything that its contents depend on, so that a cache is never stale: the video's
bytes, the place, size and caption of the clip, and the weights of the encoders.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import torch
from exvideo_blocks.weights import read_safetensors, write_safetensors
from exvideo_infer.base_model import BaseModel
from exvideo_infer.conditioning import embed_image, embed_text, encode_clip, encode_first_frame, join_tokens
from exvideo_infer.video_file import read_clip
from torch import Tensor, nn

from exvideo_train.dataset import Clip
from exvideo_train.motion import motion_bucket, motion_score


@dataclass(frozen=True)
class EncodedClip:
    """A clip as the network is trained on it.

    Args:
        latents: (frames, channels, height, width), times the VAE's scaling factor.
        first_frame: (channels, height, width), the clean first frame's latents, not scaled.
        embedding: (tokens, dimension): the first frame's token, then the caption's where the base reads text.
        fps: frames a second.
        motion_bucket_id: 0 to 127.
    """

    latents: Tensor
    first_frame: Tensor
    embedding: Tensor
    fps: float
    motion_bucket_id: int


class LatentCache:
    """Encodes clips into a folder and reads them back.

    Args:
        folder: where the files are; made if missing.
        size: (height, width) that clips are resized and cropped to, in pixels.
        encoders: fingerprint of all that encodes (`fingerprint_of_encoders`).
    """

    def __init__(self, folder: Path, size: tuple[int, int], encoders: str) -> None:
        self.folder = folder
        self.size = size
        self.encoders = encoders
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

    def encode(self, clip: Clip, base: BaseModel) -> None:
        """Encodes a clip, unless its file is there. To a base that reads text, a missing caption is the empty prompt.

        Raises:
            VideoError: the clip cannot be decoded whole.
        """
        path = self.path_of(clip)
        if path.is_file():
            return
        frames = read_clip(clip.path, clip.start, clip.num_frames, self.size).float() / 127.5 - 1
        first = frames[:1]
        tensors = {
            "latents": encode_clip(base.vae, frames[None])[0].half(),
            "first_frame": encode_first_frame(base.vae, first)[0].half(),
            "embedding": _embed(base, first, clip.caption or "")[0].half(),
        }
        metadata = {"fps": repr(clip.fps), "motion_bucket_id": str(motion_bucket(motion_score(frames)))}
        write_safetensors(path, tensors, metadata)

    def read(self, clip: Clip) -> EncodedClip:
        """A clip that `encode` has written, in fp32.

        Raises:
            ValueError: its file is missing or damaged.
        """
        tensors, metadata = read_safetensors(self.path_of(clip))
        return EncodedClip(
            latents=tensors["latents"].float(),
            first_frame=tensors["first_frame"].float(),
            embedding=tensors["embedding"].float(),
            fps=float(metadata["fps"]),
            motion_bucket_id=int(metadata["motion_bucket_id"]),
        )


def _embed(base: BaseModel, first_frame: Tensor, caption: str) -> Tensor:
    image_token = embed_image(base.image_encoder, base.feature_extractor, first_frame)
    if base.text_encoder is None or base.tokenizer is None:
        return image_token
    return join_tokens(image_token, embed_text(base.text_encoder, base.tokenizer, [caption]))


def fingerprint_of_encoders(base: BaseModel) -> str:
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
