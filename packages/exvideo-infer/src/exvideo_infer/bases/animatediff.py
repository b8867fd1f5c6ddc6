"""AnimateDiff, text to video by Stable Diffusion with motion modules: loaded, encoded for, and its own pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_infer.bases.base import BaseModelError, default_size, loading, settings_of, size_multiple
from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.conditions import TextConditions
from exvideo_infer.encoders import embed_text, encode_clip
from exvideo_infer.sampler import check_finite

if TYPE_CHECKING:
    from diffusers import AnimateDiffPipeline, UNetMotionModel
    from transformers import PreTrainedTokenizerFast

PIPELINE = "AnimateDiffPipeline"
# Steps, guidance and frames a second that AnimateDiff is sampled with where a caller leaves them open.
DEFAULTS = SamplingDefaults(num_inference_steps=25, min_guidance_scale=7.5, max_guidance_scale=7.5, fps=8.0)
DECODE_CHUNK = 8  # frames


@dataclass(frozen=True)
class AnimateDiffBase:
    """The parts of AnimateDiff.

    Args:
        pipeline: diffusers' own; it samples with the extension that is mounted on its `unet`.
    """

    pipeline: "AnimateDiffPipeline"

    @property
    def network(self) -> "UNetMotionModel":
        """The UNet with the motion modules in it."""
        return self.pipeline.unet

    @property
    def scheduler(self) -> Any:
        """The scheduler of the folder, from which the training's noise is taken, too."""
        return self.pipeline.scheduler

    @property
    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer of the text encoder."""
        return self.pipeline.tokenizer

    @property
    def encoders(self) -> list[nn.Module]:
        """Stable Diffusion's autoencoder, for which a clip is its frames, and its text encoder."""
        return [self.pipeline.vae, self.pipeline.text_encoder]

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """The configurations of the encoders."""
        return {part: settings_of(getattr(self.pipeline, part)) for part in ("vae", "text_encoder")}

    @property
    def size_multiple(self) -> int:
        """Pixels: the VAE's scale, halved again at each level of the UNet but the last."""
        return size_multiple(self.network, self.pipeline.vae_scale_factor)

    @property
    def default_size(self) -> tuple[int, int] | None:
        """By the UNet's `sample_size`."""
        return default_size(self.network, self.pipeline.vae_scale_factor)

    @property
    def decoder(self) -> nn.Module:
        """The autoencoder."""
        return self.pipeline.vae

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """`DEFAULTS`."""
        return DEFAULTS

    @property
    def encodes_frames_apart(self) -> bool:
        """True: the autoencoder is one of pictures."""
        return True

    @property
    def networks(self) -> list[Any]:
        """The UNet alone."""
        return [self.network]

    @property
    def image_pipeline(self) -> None:
        """None: clips begin at no picture."""
        return None

    @property
    def gives_first_frame(self) -> bool:
        """False."""
        return False

    def call_arguments(self, sampling: SamplingDefaults, fps: float) -> dict[str, Any]:
        """The guidance; the pipeline is told no rate."""
        return {"guidance_scale": sampling.max_guidance_scale}

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Latents (frames, channels, height, width) of frames (frames, 3, height, width) in [-1, 1]."""
        return encode_clip(self.pipeline.vae, frames[None])[0]

    def encode_image(self, image: Tensor) -> dict[str, Tensor]:
        """Nothing: the network is told no first frame."""
        return {}

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`embedding` of the caption and `unconditional` of the empty one, (tokens, dimension)."""
        words, nothing = embed_text(self.pipeline.text_encoder, self.tokenizer, [caption, ""])
        return {"embedding": words, "unconditional": nothing}

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Iterator[Tensor]:
        """Frames (3, height, width) in [0, 1] of latents (frames, channels, height, width)."""
        vae = self.pipeline.vae
        for chunk in latents.split(DECODE_CHUNK):
            decoded = vae.decode((chunk / vae.config.scaling_factor).to(vae.device, vae.dtype)).sample.float()
            check_finite(decoded, "a decoded frame", vae.dtype)
            yield from (decoded * 0.5 + 0.5).clamp(0, 1)

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> TextConditions:
        """The conditions of an encoded clip, a batch of one: the words alone."""
        return TextConditions(encoded["embedding"][None], unconditional=encoded["unconditional"][None])


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> AnimateDiffBase:
    """Loads what diffusers' `AnimateDiffPipeline` loads, from a folder or a hub.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or the text encoder does not fit the UNet or the pipeline.
    """
    from diffusers import AnimateDiffPipeline

    with loading(name):
        base = AnimateDiffBase(AnimateDiffPipeline.from_pretrained(name, dtype=torch_dtype, **kwargs))
    text_encoder = base.pipeline.text_encoder
    if hasattr(text_encoder, "text_projection"):
        raise BaseModelError(
            f"The text encoder of {name} is a {type(text_encoder).__name__}, of which diffusers' pipeline would take "
            "the pooled text in place of its tokens: save it as a CLIPTextModel."
        )
    width, expected = text_encoder.config.hidden_size, base.network.config.cross_attention_dim
    if width != expected:
        raise BaseModelError(
            f"The text encoder of {name} has width {width}, its UNet's cross-attention {expected}: give a base whose "
            "parts were trained together."
        )
    return base
