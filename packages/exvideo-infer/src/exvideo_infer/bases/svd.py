"""Stable Video Diffusion, and models of its shape that read text besides: loaded, and encoded for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from exvideo_infer.bases.base import (
    BaseModelError,
    base_file,
    default_size,
    loading,
    settings_of,
    size_multiple,
    variant_of,
)
from exvideo_infer.bases.sampling_defaults import SamplingDefaults, read_sampling_defaults
from exvideo_infer.conditions import Conditions, join_tokens
from exvideo_infer.decode import decode_frames
from exvideo_infer.encoders import added_time_ids, embed_image, embed_text, encode_clip, encode_first_frame

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
    from transformers import (
        CLIPImageProcessor,
        CLIPTextModelWithProjection,
        CLIPVisionModelWithProjection,
        PreTrainedTokenizerFast,
    )

PIPELINES = ("StableVideoDiffusionPipeline", "ExVideoPipeline")  # of whose folders these bases are
TEXT_PARTS = ("text_encoder", "tokenizer")
WHERE = ("cache_dir", "local_files_only", "revision", "token", "force_download")  # of a hub


@dataclass(frozen=True)
class SVDBase:
    """The parts of Stable Video Diffusion, and two more in a base that reads text.

    Args:
        text_encoder, tokenizer: both or neither. With them, the network's cross-attentions are trained on the image's
            token followed by `tokenizer.model_max_length` of text (`exvideo_infer.conditions.join_tokens`).
        directory: the folder that it was read from; None for a hub's.
    """

    vae: "AutoencoderKLTemporalDecoder"
    image_encoder: "CLIPVisionModelWithProjection"
    unet: "UNetSpatioTemporalConditionModel"
    scheduler: "EulerDiscreteScheduler"
    feature_extractor: "CLIPImageProcessor"
    text_encoder: "CLIPTextModelWithProjection | None" = None
    tokenizer: "PreTrainedTokenizerFast | None" = None
    directory: Path | None = None

    @property
    def network(self) -> "UNetSpatioTemporalConditionModel":
        """The UNet."""
        return self.unet

    @property
    def encoders(self) -> list[nn.Module]:
        """VAE, image encoder and, if there is one, text encoder."""
        return [self.vae, self.image_encoder, *([] if self.text_encoder is None else [self.text_encoder])]

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """The configurations of the encoders, and the numbers of the image encoder's preprocessor."""
        parts = ("vae", "image_encoder", "feature_extractor", "text_encoder")
        return {part: settings_of(getattr(self, part)) for part in parts if getattr(self, part) is not None}

    @property
    def size_multiple(self) -> int:
        """Pixels: the VAE's scale, halved again at each level of the UNet but the last."""
        return size_multiple(self.network, self._vae_scale_factor)

    @property
    def default_size(self) -> tuple[int, int] | None:
        """By the UNet's `sample_size`."""
        return default_size(self.network, self._vae_scale_factor)

    @property
    def _vae_scale_factor(self) -> int:
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def decoder(self) -> nn.Module:
        """The VAE."""
        return self.vae

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """Those of the folder's `sampling.json`, Stable Video Diffusion's where there is none."""
        return read_sampling_defaults(self.directory)

    @property
    def encodes_frames_apart(self) -> bool:
        """True: of the VAE, the decoder alone mixes frames."""
        return True

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Latents (frames, channels, height, width) of frames (frames, 3, height, width) in [-1, 1]."""
        return encode_clip(self._quick_vae(), frames[None])[0]

    def encode_image(self, image: Tensor) -> dict[str, Tensor]:
        """`first_frame` (channels, height, width), latents that are not scaled, and `image_token` (1, dimension), of a
        first frame (3, height, width) in [-1, 1]."""
        return {
            "first_frame": encode_first_frame(self._quick_vae(), image[None])[0],
            "image_token": embed_image(self.image_encoder, self.feature_extractor, image[None])[0],
        }

    def encode_noisy_image(self, image: Tensor) -> dict[str, Tensor]:
        """`first_frame` as `encode_image` gives it, of an image with noise; the token is that of the clean one."""
        return {"first_frame": encode_first_frame(self._quick_vae(), image[None])[0]}

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """`text_tokens` (tokens, dimension), in a base that reads text."""
        assert self.text_encoder is not None
        assert self.tokenizer is not None
        return {"text_tokens": embed_text(self.text_encoder, self.tokenizer, [caption])[0]}

    def _quick_vae(self) -> "AutoencoderKLTemporalDecoder":
        self.vae.encoder.to(memory_format=torch.channels_last)  # on a CPU, its convolutions take 0.6 of the time then
        return self.vae

    def decode(self, latents: Tensor) -> Iterator[Tensor]:
        """Frames (3, height, width) in [0, 1] of latents (frames, channels, height, width)."""
        return decode_frames(self.vae, latents.to(self.vae.device))

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> Conditions:
        """The conditions of an encoded clip, a batch of one; its first frame is clean unless it says otherwise."""
        noise = encoded["noise_augmentation"].item() if "noise_augmentation" in encoded else 0.0
        time_ids = added_time_ids(fps, motion_bucket_id, noise, 1, torch.float32, "cpu")
        tokens = encoded["image_token"][None]
        if "text_tokens" in encoded:
            tokens = join_tokens(tokens, encoded["text_tokens"][None])
        return Conditions(tokens, encoded["first_frame"][None], time_ids)


def load(name: str, torch_dtype: torch.dtype, **kwargs: Any) -> SVDBase:
    """Loads the parts from a folder or a hub; a folder with `text_encoder/` and `tokenizer/` is a base that reads text.

    Args:
        name: folder or hub id.
        torch_dtype: of the weights.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, or there is a text encoder that does not fit the UNet.
    """
    from diffusers import StableVideoDiffusionPipeline

    where = {key: kwargs[key] for key in WHERE if key in kwargs}
    with loading(name):
        # A dtype is always given: by default diffusers takes fp32 and transformers the file's own.
        text = load_text_parts(name, torch_dtype, where, kwargs.get("variant"))
        parts = StableVideoDiffusionPipeline.from_pretrained(name, dtype=torch_dtype, **kwargs).components
    check_text_width(text.get("text_encoder"), parts["unet"], name)
    return SVDBase(**parts, **text, directory=Path(name) if Path(name).exists() else None)


def load_text_parts(
    name: str, dtype: torch.dtype, where: Mapping[str, Any], variant: str | None = None
) -> dict[str, Any]:
    """`text_encoder` and `tokenizer` of a base that reads text; nothing of another.

    Args:
        name: folder or hub id.
        dtype: of the weights.
        where: which of its revisions, in which cache.
        variant: of the weights, where there are some of it.
    """
    _check_text_parts(name)
    if base_file(name, f"{TEXT_PARTS[0]}/config.json", where) is None:
        return {}
    from transformers import CLIPTextModelWithProjection, PreTrainedTokenizerFast

    kinds = (CLIPTextModelWithProjection, PreTrainedTokenizerFast)
    of_variant = variant_of(name, f"{TEXT_PARTS[0]}/model", where, variant)
    more: tuple[dict[str, Any], ...] = ({"dtype": dtype, "variant": of_variant}, {})
    return {
        part: kind.from_pretrained(name, subfolder=part, **where, **own)
        for part, kind, own in zip(TEXT_PARTS, kinds, more, strict=True)
    }


def check_text_width(text_encoder: Any, unet: Any, name: str) -> None:
    """Raises BaseModelError if a text encoder, where there is one, does not fit the UNet's cross-attention."""
    if text_encoder is None:
        return
    width, expected = text_encoder.config.hidden_size, unet.config.cross_attention_dim
    if width != expected:
        raise BaseModelError(
            f"The text encoder of {name} has width {width}, its UNet's cross-attention {expected}: give a base whose "
            "parts were trained together."
        )


def _check_text_parts(name: str) -> None:
    found = [part for part in TEXT_PARTS if (Path(name) / part).is_dir()]
    if len(found) == 1:
        raise BaseModelError(
            f"{name} holds {found[0]}/ alone: a base that reads text has {' and '.join(TEXT_PARTS)}, others none."
        )
