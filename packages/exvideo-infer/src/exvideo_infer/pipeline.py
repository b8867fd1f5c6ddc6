"""Image to video with an extended base model, in the conventions of diffusers' pipelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from exvideo_blocks import Extension, extension_of, restore
from torch import Tensor

from exvideo_infer.base_model import load_base
from exvideo_infer.conditioning import added_time_ids, embed_image, encode_first_frame
from exvideo_infer.decode import OUTPUT_TYPES, decode_clips
from exvideo_infer.first_frame import FirstFrame, check_image, for_image_encoder, for_vae
from exvideo_infer.sampler import Conditions, OnStep, denoise, guidance_per_frame

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
    from PIL.Image import Image
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

Generators = torch.Generator | list[torch.Generator] | None
Tensors = dict[str, Tensor]
# (pipeline, step, timestep, tensors) -> tensors that take the place of those given, or None
StepCallback = Callable[["ExVideoPipeline", int, Tensor, Tensors], Tensors | None]
CALLBACK_TENSORS = ("latents",)


@dataclass(frozen=True)
class ExVideoOutput:
    """Generated clips.

    Args:
        frames: as `output_type` says: a list of PIL images a clip, or an array or tensor of all clips.
    """

    frames: Any


class ExVideoPipeline:
    """Generates clips from their first frames, with a Stable Video Diffusion base and optionally an extension of it.

    The components are attributes, as in diffusers: `unet`, `vae`, `image_encoder`, `feature_extractor`, `scheduler`.
    Given equal arguments and generator, it returns what diffusers' `StableVideoDiffusionPipeline` returns.
    """

    def __init__(
        self,
        vae: AutoencoderKLTemporalDecoder,
        image_encoder: CLIPVisionModelWithProjection,
        unet: UNetSpatioTemporalConditionModel,
        scheduler: EulerDiscreteScheduler,
        feature_extractor: CLIPImageProcessor,
    ) -> None:
        self.vae = vae
        self.image_encoder = image_encoder
        self.unet = unet
        self.scheduler = scheduler
        self.feature_extractor = feature_extractor
        self._progress_bar_config: dict[str, Any] = {}

    @classmethod
    def from_pretrained(
        cls, directory_or_hub_id: str | Path, torch_dtype: torch.dtype | None = None, **kwargs: Any
    ) -> Self:
        """Loads a base model from a folder or a hub, as `exvideo_infer.base_model.load_base` says."""
        return cls(**load_base(directory_or_hub_id, torch_dtype, **kwargs).components)

    @property
    def extension(self) -> Extension | None:
        """The extension mounted on the UNet, if any."""
        return extension_of(self.unet)

    def load_extension(self, path: str | Path) -> Extension:
        """Mounts the extension of a safetensors file on the UNet.

        Raises:
            ValueError: if the file is missing, truncated, not an extension or of another base, or if an extension is
                mounted already.
        """
        return Extension.load(path, self.unet)

    def unload_extension(self) -> None:
        """Puts the base's own modules back, bit for bit. Raises ValueError if no extension is mounted."""
        restore(self.unet)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves the networks to a device and/or a dtype, given as to `torch.nn.Module.to`."""
        for network in (self.unet, self.vae, self.image_encoder):
            network.to(*args, **kwargs)
        return self

    @property
    def device(self) -> torch.device:
        """Where the UNet is, and so where clips are made."""
        device: torch.device = self.unet.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The UNet's dtype."""
        dtype: torch.dtype = self.unet.dtype
        return dtype

    @property
    def vae_scale_factor(self) -> int:
        """Pixels a latent, along each side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def default_num_frames(self) -> int:
        """The extension's length, or the base's where there is none."""
        return self.extension.config.num_frames if self.extension else int(self.unet.config.num_frames)

    def default_size(self) -> tuple[int, int]:
        """(height, width) in pixels that the UNet was made for.

        Raises:
            ValueError: if its config does not say.
        """
        sample_size = self.unet.config.sample_size
        if sample_size is None:
            raise ValueError("The UNet's config has no sample_size: give height and width.")
        sides = (sample_size, sample_size) if isinstance(sample_size, int) else tuple(sample_size)
        return sides[0] * self.vae_scale_factor, sides[1] * self.vae_scale_factor

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        """Keyword arguments for the tqdm bar of the denoising steps, such as `disable=True`."""
        self._progress_bar_config = kwargs

    def check_inputs(self, num_frames: int, height: int, width: int) -> None:
        """Checks the shape of a clip against the models.

        Raises:
            ValueError: if there are more frames than the mounted extension has, none, or a side that the network's
                levels do not divide.
        """
        _check_positive(num_frames=num_frames)
        if self.extension and num_frames > self.extension.config.num_frames:
            raise ValueError(
                f"num_frames is {num_frames}, but the extension has {self.extension.config.num_frames}:"
                " ask for no more than that, or load an extension trained for more."
            )
        multiple = self.vae_scale_factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"height x width is {height}x{width}: give positive multiples of {multiple}.")

    @torch.no_grad()
    def __call__(
        self,
        image: FirstFrame,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 25,
        min_guidance_scale: float = 1.0,
        max_guidance_scale: float = 3.0,
        fps: float = 7,
        motion_bucket_id: float = 127,
        noise_aug_strength: float = 0.02,
        decode_chunk_size: int = 8,
        generator: Generators = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = CALLBACK_TENSORS,
        return_dict: bool = True,
    ) -> Any:
        """Generates one clip an image.

        Args:
            image: first frame: a PIL image, a list of them, or a tensor (batch, 3, height, width) or (3, height, width)
                in [0, 1]. Resized to `height` x `width` whatever its proportions, as diffusers does: crop it before.
            num_frames: length; the extension's if one is mounted, else the base's own. Without an extension any
                length is taken: the base, sampled directly.
            height, width: pixels; by default what the UNet was made for.
            num_inference_steps: evaluations of the network, twice the work each where guidance is not 1.
            min_guidance_scale, max_guidance_scale: guidance of the first and the last frame, at least 1.
            fps: frames a second that the clip is to look natural at (a condition, not a resampling).
            motion_bucket_id: amount of motion, 0 to 255.
            noise_aug_strength: noise added to the first frame, in units of its [-1, 1].
            decode_chunk_size: frames decoded at a time: more is smoother over time and takes more memory.
            generator: one, or one a clip, for the noise of the first frame and then of the latents.
            latents: (batch, frames, channels, height, width) standard normal noise in place of the generator's.
            output_type: "pil", "np", "pt" or "latent"; see `exvideo_infer.decode.decode_clips`.
            callback_on_step_end: called as (pipeline, step, timestep, tensors) after each step; what it returns under
                "latents" takes their place.
            callback_on_step_end_tensor_inputs: which tensors it is given; "latents" is the only one.
            return_dict: False returns the frames themselves.

        Returns:
            `ExVideoOutput`, whose `frames` is a list of lists of PIL images by default.

        Raises:
            ValueError: if an argument is out of its range or does not fit the models; the message says which and why.
        """
        _check_choices("output_type", [output_type], OUTPUT_TYPES)
        _check_choices("callback_on_step_end_tensor_inputs", callback_on_step_end_tensor_inputs, CALLBACK_TENSORS)
        _check_positive(num_inference_steps=num_inference_steps, decode_chunk_size=decode_chunk_size)
        num_frames = self.default_num_frames if num_frames is None else num_frames
        height, width = self._size(height, width)
        self.check_inputs(num_frames, height, width)
        guidance_scale = guidance_per_frame(min_guidance_scale, max_guidance_scale, num_frames)
        images = check_image(image)
        _check_generators(generator, len(images))

        # The order of the random draws is diffusers' own: the first frame's noise, then the latents.
        image_latents = self._encode_image(images, height, width, noise_aug_strength, generator)
        ids = added_time_ids(fps, motion_bucket_id, noise_aug_strength, len(images), self.dtype, self.device)
        conditions = Conditions(self._embed_image(images), image_latents, ids)
        noise = self._noise((len(images), num_frames, *image_latents.shape[1:]), generator, latents)

        def on_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
            if callback_on_step_end is None:
                return latents
            tensors = dict.fromkeys(callback_on_step_end_tensor_inputs, latents)
            return (callback_on_step_end(self, step, timestep, tensors) or {}).get("latents", latents)

        latents = self._denoise(noise, conditions, guidance_scale, num_inference_steps, on_step)
        frames = decode_clips(self.vae, latents, decode_chunk_size, output_type)
        return ExVideoOutput(frames) if return_dict else frames

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        if height is not None and width is not None:
            return height, width
        default_height, default_width = self.default_size()
        return (default_height if height is None else height), (default_width if width is None else width)

    def _embed_image(self, images: list[Image] | Tensor) -> Tensor:
        batches = for_image_encoder(images)
        embeddings = [embed_image(self.image_encoder, self.feature_extractor, batch) for batch in batches]
        return torch.cat(embeddings).to(self.device, self.dtype)

    def _encode_image(
        self, images: list[Image] | Tensor, height: int, width: int, noise_aug_strength: float, generator: Generators
    ) -> Tensor:
        pixels = for_vae(images, height, width).to(self.device)
        pixels = pixels + noise_aug_strength * _randn(tuple(pixels.shape), generator, self.device, pixels.dtype)
        return encode_first_frame(self.vae, pixels).to(self.dtype)

    def _noise(self, shape: tuple[int, ...], generator: Generators, latents: Tensor | None) -> Tensor:
        if latents is None:
            return _randn(shape, generator, self.device, self.dtype)
        if tuple(latents.shape) != shape:
            raise ValueError(f"latents have shape {tuple(latents.shape)}: these arguments need {shape}.")
        return latents.to(self.device, self.dtype)

    def _denoise(
        self, noise: Tensor, conditions: Conditions, guidance_scale: Tensor, num_inference_steps: int, callback: OnStep
    ) -> Tensor:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]

        with tqdm(total=num_inference_steps, **self._progress_bar_config) as progress_bar:

            def on_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
                progress_bar.update()
                return callback(step, timestep, latents)

            steps = num_inference_steps
            return denoise(self.unet, self.scheduler, noise, conditions, guidance_scale, steps, on_step)


def _randn(shape: tuple[int, ...], generator: Generators, device: torch.device, dtype: torch.dtype) -> Tensor:
    from diffusers.utils.torch_utils import randn_tensor

    noise: Tensor = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
    return noise


def _check_generators(generator: Generators, batch_size: int) -> None:
    if isinstance(generator, list) and len(generator) != batch_size:
        raise ValueError(
            f"{len(generator)} generators were given for {batch_size} clips: give one for all, or one each."
        )


def _check_choices(name: str, given: Sequence[str], choices: Sequence[str]) -> None:
    for choice in given:
        if choice not in choices:
            raise ValueError(f"{name} is {choice!r}: choose from {', '.join(choices)}.")


def _check_positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}: give at least 1.")
