"""The small Wan as a base: its own transformer, and the embedded model's encoders and decoder."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler
from exvideo_infer import PromptConditions, SamplingDefaults, load_base, register_base
from exvideo_infer.encoders import embed_text
from torch import Tensor, nn

from tiny_world.wan.network import PATCH, TinyWanTransformer, build_scheduler
from tiny_world.world.spec import FPS, FRAME_SIZE

SHIPPED = Path(__file__).parent / "base"
PIPELINE = "TinyWanPipeline"  # in a folder's model_index.json: of our own, no class of diffusers
TRANSFORMER, SCHEDULER, INDEX = "transformer", "scheduler", "model_index.json"
STEPS = 10


@dataclass(frozen=True)
class TinyWanBase:
    """The parts of the small Wan; clips begin at a picture, which is their first latent row, clean.

    Args:
        network: the transformer.
        scheduler: that it is sampled with, whose shift training takes.
        embedded: the base of which the encoders and the decoder are.
    """

    network: TinyWanTransformer
    scheduler: Any
    embedded: Any

    gives_first_frame = True
    encodes_frames_apart = True
    sampling_defaults = SamplingDefaults(
        num_inference_steps=STEPS, min_guidance_scale=1.0, max_guidance_scale=1.0, fps=FPS
    )

    @property
    def encoders(self) -> list[nn.Module]:
        """The autoencoder and the text encoder."""
        return [self.embedded.vae, self.embedded.text_encoder]

    @property
    def tokenizer(self) -> Any:
        """The embedded model's."""
        return self.embedded.tokenizer

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """Those of the embedded model's encoders."""
        settings: dict[str, Any] = self.embedded.encoding_settings
        return settings | {"gives_first_frame": True}

    @property
    def objective_settings(self) -> dict[str, Any]:
        """One frame is given."""
        return {"given_frames": 1}

    @property
    def size_multiple(self) -> int:
        """Pixels of a token's side."""
        return 8 * PATCH

    @property
    def default_size(self) -> tuple[int, int]:
        """The world's."""
        return FRAME_SIZE, FRAME_SIZE

    @property
    def decoder(self) -> nn.Module:
        """The autoencoder."""
        decoder: nn.Module = self.embedded.vae
        return decoder

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Latents (frames, channels, 8, 8), scaled, of frames (frames, 3, 64, 64) in [-1, 1]."""
        latents: Tensor = self.embedded.encode_frames(frames)
        return latents

    def encode_image(self, image: Tensor) -> dict[str, Tensor]:
        """`first_frame` (channels, 8, 8), scaled latents of a picture (3, 64, 64) in [-1, 1]."""
        return {"first_frame": self.encode_frames(image[None])[0]}

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` of the caption and `unconditional` of the empty one, (tokens, dimension)."""
        words = embed_text(self.embedded.text_encoder, self.tokenizer, [caption, ""])
        return {"embedding": words[0], "unconditional": words[1]}

    def decode(self, latents: Tensor) -> Iterator[Tensor]:
        """Frames (3, 64, 64) in [0, 1] of latents (frames, channels, 8, 8)."""
        frames: Iterator[Tensor] = self.embedded.decode(latents)
        return frames

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> PromptConditions:
        """The conditions of an encoded clip, a batch of one; it is told no rate and no amount of motion."""
        return PromptConditions(
            encoded["embedding"][None], encoded["first_frame"][None], unconditional=encoded["unconditional"][None]
        )


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> TinyWanBase:
    """Loads the transformer and the scheduler of a folder, and what is embedded in exvideo-infer."""
    network = TinyWanTransformer.from_pretrained(name, subfolder=TRANSFORMER, dtype=torch_dtype)
    scheduler = UniPCMultistepScheduler.from_pretrained(name, subfolder=SCHEDULER)
    return TinyWanBase(network, scheduler, load_base("embedded", torch_dtype))


def save(network: TinyWanTransformer, folder: Path) -> None:
    """Writes the folder that `load` reads, with the weights in fp16."""
    network.half().save_pretrained(folder / TRANSFORMER)
    build_scheduler().save_pretrained(folder / SCHEDULER)
    temporary = folder / f".{INDEX}.tmp"
    temporary.write_text(json.dumps({"_class_name": PIPELINE}) + "\n", encoding="utf-8")
    temporary.replace(folder / INDEX)


register_base(PIPELINE, load)
