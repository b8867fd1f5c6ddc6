"""The part that bases of video transformers share: a pipeline of diffusers, and its encoders over time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from exvideo_infer.bases.base import BaseModelError, loading, settings_of
from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.bases.weightless import build_without_weights
from exvideo_infer.conditions import Conditions
from exvideo_infer.placement import exclusive, execution_device
from exvideo_infer.sampler import check_finite


@dataclass(frozen=True)
class TransformerBase:
    """The parts of a pipeline of diffusers; a subclass says what is its own.

    Args:
        pipeline: diffusers' own; it samples with the extension that is mounted on its `transformer`.
        gives_first_frame: True if clips begin at a picture: it is the first latent frame, clean, at time 0.

    Attributes:
        DEFAULTS: steps, guidance and frames a second where a caller leaves them open.
        SIZE: height and width that the stock pipeline takes then, in pixels.
        ENCODERS: names of the networks that encode; the autoencoder comes first.
        IMAGE_PIPELINE: class of diffusers' pipeline that begins at a picture, with the same parts; None for none.
    """

    pipeline: Any
    gives_first_frame: bool = False

    DEFAULTS: ClassVar[SamplingDefaults]
    SIZE: ClassVar[tuple[int, int]]
    ENCODERS: ClassVar[tuple[str, ...]] = ("vae", "text_encoder")
    IMAGE_PIPELINE: ClassVar[str | None] = None

    @property
    def network(self) -> Any:
        """The transformer."""
        return self.pipeline.transformer

    @property
    def networks(self) -> list[Any]:
        """The transformer alone."""
        return [self.network]

    @property
    def scheduler(self) -> Any:
        """The scheduler of the folder, by which training shifts its noise levels, too."""
        return self.pipeline.scheduler

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the text encoder."""
        return self.pipeline.tokenizer

    @property
    def encoders(self) -> list[nn.Module]:
        """Those of `ENCODERS`."""
        return [getattr(self.pipeline, name) for name in self.ENCODERS]

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """The configurations of the encoders, and whether a first frame is given."""
        settings = {name: settings_of(getattr(self.pipeline, name)) for name in self.ENCODERS}
        return settings | {"gives_first_frame": self.gives_first_frame}

    @property
    def objective_settings(self) -> dict[str, Any]:
        """The settings of the family's objective that the base decides."""
        return {"given_frames": 1} if self.gives_first_frame else {}

    @property
    def pixels_a_latent(self) -> int:
        """Pixels along the side of a latent."""
        return int(self.pipeline.vae.spatial_compression_ratio)

    @property
    def size_multiple(self) -> int:
        """Pixels: those of a latent, times the latents of a token."""
        patch = self.network.config.patch_size
        return self.pixels_a_latent * int(patch if isinstance(patch, int) else patch[-1])

    @property
    def default_size(self) -> tuple[int, int] | None:
        """The stock pipeline's."""
        return self.SIZE

    @property
    def decoder(self) -> nn.Module:
        """The autoencoder."""
        vae: nn.Module = self.pipeline.vae
        return vae

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """`DEFAULTS`."""
        return self.DEFAULTS

    @property
    def encodes_frames_apart(self) -> bool:
        """False: the autoencoder makes one latent frame of several frames."""
        return False

    @property
    def image_pipeline(self) -> Any:
        """The stock pipeline that begins at a picture, on the same parts; None where the base has none."""
        if self.IMAGE_PIPELINE is None:
            return None
        import diffusers

        kind = getattr(diffusers, self.IMAGE_PIPELINE)
        return self.pipeline if isinstance(self.pipeline, kind) else kind(**self.image_parts())

    def image_parts(self) -> dict[str, Any]:
        """The arguments of `IMAGE_PIPELINE`."""
        return dict(self.pipeline.components)

    def call_arguments(self, sampling: SamplingDefaults, fps: float) -> dict[str, Any]:
        """The arguments of the stock pipeline's call that are not the same in all families.

        Args:
            sampling: its guidance of the last frame holds for all.
            fps: frames a second of the clip.
        """
        return {"guidance_scale": sampling.max_guidance_scale}

    def normalized(self, latents: Tensor) -> Tensor:
        """Latents (batch, channels, frames, height, width) of the autoencoder in the network's scale: times the
        autoencoder's factor."""
        scaled: Tensor = latents * self.pipeline.vae.config.scaling_factor
        return scaled

    def denormalized(self, latents: Tensor) -> Tensor:
        """The inverse of `normalized`."""
        scaled: Tensor = latents / self.pipeline.vae.config.scaling_factor
        return scaled

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Latents (latent frames, channels, height, width), the posterior's mode, of a clip (frames, 3, height, width)
        in [-1, 1]."""
        vae = self.pipeline.vae
        with torch.no_grad(), exclusive(vae):
            clip = frames.transpose(0, 1)[None].to(execution_device(vae), vae.dtype)
            mode = vae.encode(clip).latent_dist.mode().float()
        return self.normalized(mode)[0].transpose(0, 1)

    def encode_image(self, image: Tensor) -> dict[str, Tensor]:
        """`first_frame` (channels, height, width), latents of a picture (3, height, width) in [-1, 1], where clips
        begin at one; else nothing."""
        return {"first_frame": self.encode_frames(image[None])[0]} if self.gives_first_frame else {}

    def decode(self, latents: Tensor) -> Iterator[Tensor]:
        """Frames (3, height, width) in [0, 1] of latents (latent frames, channels, height, width)."""
        vae = self.pipeline.vae
        with torch.no_grad(), exclusive(vae):
            scaled = self.denormalized(latents.to(execution_device(vae), torch.float32).transpose(0, 1)[None])
            frames = self.decode_latents(scaled.to(vae.dtype))[0].float()
        check_finite(frames, "a decoded frame", vae.dtype)
        yield from (frames.transpose(0, 1) * 0.5 + 0.5).clamp(0, 1)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The autoencoder's answer, (batch, 3, frames, height, width)."""
        decoded: Tensor = self.pipeline.vae.decode(latents, return_dict=False)[0]
        return decoded

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """The part of `conditions` that a caption decides."""
        raise NotImplementedError

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> Conditions:
        """The conditions of an encoded clip, a batch of one."""
        raise NotImplementedError


def normalized_by(latents: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> Tensor:
    """(latents - mean) / std, channel by channel of (batch, channels, frames, height, width)."""
    return (latents - _per_channel(mean, latents)) / _per_channel(std, latents)


def denormalized_by(latents: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> Tensor:
    """latents std + mean, channel by channel."""
    return latents * _per_channel(std, latents) + _per_channel(mean, latents)


def _per_channel(values: Sequence[float] | Tensor, latents: Tensor) -> Tensor:
    return torch.as_tensor(values).to(latents).view(1, -1, 1, 1, 1)


def load_pipeline(
    kind: str,
    transformer: str,
    text_width: str,
    name: str,
    torch_dtype: torch.dtype,
    *,
    weights: bool = True,
    **kwargs: Any,
) -> Any:
    """Loads a pipeline of diffusers from a folder or a hub.

    Args:
        kind: its class.
        transformer: class of its `transformer`.
        text_width: key of that one's config, the width of the text that it reads.
        name: folder or hub id.
        torch_dtype: of the weights.
        weights: False reads none, and leaves the networks on the meta device.
        **kwargs: for diffusers' `from_pretrained`.

    Raises:
        BaseModelError: files are damaged, its transformer is of another class, or does not fit the text encoder.
    """
    import diffusers

    with loading(name):
        found = (diffusers.DiffusionPipeline.load_config(name, **kwargs).get("transformer") or [None, None])[1]
    if found != transformer:
        raise BaseModelError(
            f"The transformer of {name} is a {found}, and a {kind} has a {transformer}: give a base of that pipeline."
        )
    with loading(name):
        if weights:
            pipeline = getattr(diffusers, kind).from_pretrained(name, dtype=torch_dtype, **kwargs)
        else:
            pipeline = build_without_weights(getattr(diffusers, kind), name, torch_dtype, **kwargs)
    width, expected = pipeline.text_encoder.config.hidden_size, pipeline.transformer.config[text_width]
    if width != expected:
        raise BaseModelError(
            f"The text encoder of {name} has width {width}, and its transformer reads {expected}: give a base whose "
            "parts were trained together."
        )
    return pipeline
