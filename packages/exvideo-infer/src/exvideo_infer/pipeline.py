"""Text and image to video with an extended base model, in the conventions of diffusers' pipelines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from exvideo_blocks import Extension, extension_of, family_of, load_extension, restore
from torch import Tensor

from exvideo_infer.bases import load_base
from exvideo_infer.bases.base import BaseModelError, default_size, size_multiple
from exvideo_infer.bases.sampling_defaults import SamplingDefaults, of_extension
from exvideo_infer.bases.svd import TEXT_PARTS, SVDBase
from exvideo_infer.conditions import Conditions
from exvideo_infer.decode import OUTPUT_TYPES, decode_clips
from exvideo_infer.encoders import added_time_ids, embed, encode_first_frame, for_image_encoder, for_vae
from exvideo_infer.generators import Generators, check_generators, randn
from exvideo_infer.prompts import warn_of_unread_words
from exvideo_infer.request import (
    FirstFrame,
    Prompt,
    check_choices,
    check_image,
    check_latents,
    check_positive,
    check_prompt_and_image,
    check_size,
)
from exvideo_infer.sampler import OnStep, denoise, guidance_per_frame

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
    from PIL.Image import Image
    from transformers import (
        CLIPImageProcessor,
        CLIPTextModelWithProjection,
        CLIPVisionModelWithProjection,
        PreTrainedTokenizerFast,
    )

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
    """Generates clips from prompts or first frames, with a Stable Video Diffusion base and optionally its extension.

    The components are attributes, as in diffusers: `unet`, `vae`, `image_encoder`, `feature_extractor`, `scheduler`;
    with a base that reads text also `text_encoder` and `tokenizer`. For an image alone and a base that reads no text,
    it returns what diffusers' `StableVideoDiffusionPipeline` returns for the same arguments and generator.

    Args:
        text_encoder, tokenizer: both or neither.
        text_to_image: what makes first frames: any text-to-image pipeline of diffusers, called with `prompt`, `height`,
            `width`, `generator` and `output_type="pil"`. It is an attribute, too, and may be set to another.
        sampling_defaults: what a call takes where neither it nor a mounted extension gives anything.
    """

    def __init__(
        self,
        vae: "AutoencoderKLTemporalDecoder",
        image_encoder: "CLIPVisionModelWithProjection",
        unet: "UNetSpatioTemporalConditionModel",
        scheduler: "EulerDiscreteScheduler",
        feature_extractor: "CLIPImageProcessor",
        text_encoder: "CLIPTextModelWithProjection | None" = None,
        tokenizer: "PreTrainedTokenizerFast | None" = None,
        text_to_image: Any = None,
        sampling_defaults: SamplingDefaults | None = None,
    ) -> None:
        if (text_encoder is None) != (tokenizer is None):
            raise ValueError(f"One of {' and '.join(TEXT_PARTS)} was given alone: give both or neither.")
        self.vae = vae
        self.image_encoder = image_encoder
        self.unet = unet
        self.scheduler = scheduler
        self.feature_extractor = feature_extractor
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.text_to_image = text_to_image
        self._sampling_defaults = sampling_defaults or SamplingDefaults()
        self._progress_bar_config: dict[str, Any] = {}

    @classmethod
    def from_pretrained(
        cls,
        directory_or_hub_id: str | Path,
        torch_dtype: torch.dtype | None = None,
        text_to_image: str | Path | None = None,
        **kwargs: Any,
    ) -> Self:
        """Loads a base model: "embedded", a folder or a hub id, as `exvideo_infer.load_base` says.

        Args:
            directory_or_hub_id, torch_dtype, **kwargs: as for `load_base`.
            text_to_image: folder or hub id of a text-to-image pipeline of diffusers, such as Stable Diffusion; by
                default the one in the base's own folder, if any. `cache_dir` and `local_files_only` hold for it, too.

        Raises:
            BaseModelError: if a model is missing, damaged or another than it should be.
        """
        base = load_base(directory_or_hub_id, torch_dtype, **kwargs)
        if not isinstance(base, SVDBase):
            raise BaseModelError(
                f"{directory_or_hub_id} is no Stable Video Diffusion: give a base of its shape, or sample another with "
                "exvideo_infer.denoise."
            )
        defaults = base.sampling_defaults
        # Not at the top: it imports diffusers.
        from exvideo_infer.text_to_image import load_own_text_to_image, load_text_to_image

        if text_to_image is None:
            first_frames = load_own_text_to_image(base, torch_dtype, defaults.text_to_image)
        else:
            where = {key: kwargs[key] for key in ("cache_dir", "local_files_only") if key in kwargs}
            first_frames = load_text_to_image(text_to_image, torch_dtype, **where)
        parts = {name: value for name, value in vars(base).items() if name != "directory"}
        return cls(**parts, text_to_image=first_frames, sampling_defaults=defaults)

    @property
    def reads_text(self) -> bool:
        """True if the base's clips are steered by a prompt, with or without an image."""
        return self.text_encoder is not None

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """The arguments of a call that gives none: what the mounted extension was trained at, else the base's own."""
        return of_extension(self._sampling_defaults, self.extension.training if self.extension else None)

    @sampling_defaults.setter
    def sampling_defaults(self, value: SamplingDefaults) -> None:
        self._sampling_defaults = value

    @property
    def extension(self) -> Extension | None:
        """The extension mounted on the UNet, if any."""
        return extension_of(self.unet)

    def load_extension(self, path: str | Path, *, revision: str | None = None) -> Extension:
        """Mounts an extension on the UNet.

        Args:
            path: what exvideo-train writes, a folder of `save_pretrained`, or `user/name` on the Hugging Face
                hub. What exists here goes first.
            revision: branch, tag or commit on the hub; None for the main branch.

        Raises:
            ValueError: if the file is missing, truncated, not an extension or of another base, if the hub did not give
                it, or if an extension is mounted already.
        """
        return load_extension(self.unet, path, revision=revision)

    def unload_extension(self) -> None:
        """Puts the base's own modules back, bit for bit. Raises ValueError if no extension is mounted."""
        restore(self.unet)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves the networks to a device and/or a dtype, given as to `torch.nn.Module.to`."""
        for network in (self.unet, self.vae, self.image_encoder, self.text_encoder, self.text_to_image):
            if network is not None:
                network.to(*args, **kwargs)
        return self

    @property
    def device(self) -> torch.device:
        """The UNet's device, on which clips are made."""
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
        """(height, width) in pixels: the one that the mounted extension was trained at, or what the UNet was made for.

        Raises:
            ValueError: if the UNet's config does not say.
        """
        sizes = (self.extension.training or {}).get("sizes", []) if self.extension else []
        if len(sizes) == 1:
            return int(sizes[0][0]), int(sizes[0][1])
        size = default_size(self.unet, self.vae_scale_factor)
        if size is None:
            raise ValueError("The UNet's config has no sample_size: give height and width.")
        return size

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        """Keyword arguments for the tqdm bars of the denoising steps, such as `disable=True`."""
        self._progress_bar_config = kwargs
        if self.text_to_image is not None:
            self.text_to_image.set_progress_bar_config(**kwargs)

    def check_inputs(self, num_frames: int, height: int, width: int) -> None:
        """Checks the shape of a clip against the models, and the scheduler against the network.

        Raises:
            ValueError: if there are more frames than the mounted extension has, none, or a side that the network's
                levels do not divide; or the scheduler is of another prediction than the network's.
        """
        check_positive(num_frames=num_frames)
        family = family_of(self.unet)
        family.objective(self.scheduler)
        family.rows(num_frames)
        if self.extension and num_frames > self.extension.config.num_frames:
            raise ValueError(
                f"num_frames is {num_frames}, but the extension has {self.extension.config.num_frames}:"
                " ask for no more than that, or load an extension trained for more."
            )
        check_size(height, width, size_multiple(self.unet, self.vae_scale_factor))

    def check_conditions(
        self, prompt: Prompt | None, image: FirstFrame | None
    ) -> "tuple[list[str] | None, list[Image] | Tensor | None]":
        """Prompt and image as lists (or the image as one batch), where they are given.

        Raises:
            ValueError: if these models cannot make clips of them; the message says why.
        """
        return check_prompt_and_image(prompt, image, self.reads_text, self.text_to_image is not None)

    @torch.no_grad()
    def __call__(
        self,
        image: FirstFrame | None = None,
        prompt: Prompt | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        min_guidance_scale: float | None = None,
        max_guidance_scale: float | None = None,
        fps: float | None = None,
        motion_bucket_id: float | None = None,
        noise_aug_strength: float | None = None,
        decode_chunk_size: int = 8,
        generator: Generators = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = CALLBACK_TENSORS,
        return_dict: bool = True,
    ) -> Any:
        """Generates one clip a prompt or an image.

        The defaults that are named are Stable Video Diffusion's; a base's folder may have others in `sampling.json`, an
        extension's file those that it was trained at, and `sampling_defaults` tells those that hold.

        Args:
            image: first frame: a PIL image, a list of them, or a tensor (batch, 3, height, width) or (3, height, width)
                in [0, 1]. Resized to `height` x `width` whatever its proportions, as diffusers does: crop it before. By
                default `text_to_image` makes it from the prompt.
            prompt: what is to be seen: a text, or a list of texts for as many clips. A base that reads text is steered
                by it as well, with or without an image; without a prompt such a base reads the empty one.
            num_frames: length; the extension's if one is mounted, else the base's own. Without an extension any
                length is taken: the base, sampled directly.
            height, width: pixels; by default those of the extension's training, else what the UNet was made for.
            num_inference_steps: evaluations of the network, twice the work each where guidance is not 1; default 25.
            min_guidance_scale, max_guidance_scale: guidance of the first and the last frame, at least 1; defaults 1, 3.
            fps: frames a second that the clip is to look natural at (a condition, not a resampling); default 7.
            motion_bucket_id: amount of motion, 0 to 255; default 127.
            noise_aug_strength: noise added to the first frame, in units of its [-1, 1]; default 0.02.
            decode_chunk_size: frames decoded at a time: more is smoother over time and takes more memory.
            generator: one, or one a clip, for text to image, then the noise of the first frame, then the latents.
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
        sampling = self.sampling_defaults.replace(
            num_inference_steps=num_inference_steps,
            min_guidance_scale=min_guidance_scale,
            max_guidance_scale=max_guidance_scale,
            fps=fps,
            motion_bucket_id=motion_bucket_id,
            noise_aug_strength=noise_aug_strength,
        )
        check_choices("output_type", [output_type], OUTPUT_TYPES)
        check_choices("callback_on_step_end_tensor_inputs", callback_on_step_end_tensor_inputs, CALLBACK_TENSORS)
        check_positive(num_inference_steps=sampling.num_inference_steps, decode_chunk_size=decode_chunk_size)
        num_frames = self.default_num_frames if num_frames is None else num_frames
        height, width = self._size(height, width)
        self.check_inputs(num_frames, height, width)
        guidance_scale = guidance_per_frame(sampling.min_guidance_scale, sampling.max_guidance_scale, num_frames)
        prompts, images = self.check_conditions(prompt, image)
        batch_size = len(prompts or []) if images is None else len(images)
        check_generators(generator, batch_size)
        scale = self.vae_scale_factor
        shape = (batch_size, num_frames, self.vae.config.latent_channels, height // scale, width // scale)
        check_latents(latents, shape)
        if self.tokenizer is not None and prompts is not None:
            warn_of_unread_words(self.tokenizer, prompts)

        if images is None:
            images = self._make_first_frames(prompts or [], height, width, generator)
        # From here on the order of the random draws is diffusers' own: the first frame's noise, then the latents.
        conditions = self._conditions(images, prompts, (height, width), sampling, generator)
        if latents is None:
            latents = randn(shape, generator, self.device, self.dtype)
        noise = latents.to(self.device, self.dtype)

        def on_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
            if callback_on_step_end is None:
                return latents
            tensors = dict.fromkeys(callback_on_step_end_tensor_inputs, latents)
            return (callback_on_step_end(self, step, timestep, tensors) or {}).get("latents", latents)

        latents = self._denoise(noise, conditions, guidance_scale, sampling.num_inference_steps, on_step)
        frames = decode_clips(self.vae, latents, decode_chunk_size, output_type)
        return ExVideoOutput(frames) if return_dict else frames

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        if height is not None and width is not None:
            return height, width
        default_height, default_width = self.default_size()
        return (default_height if height is None else height), (default_width if width is None else width)

    def _make_first_frames(
        self, prompts: list[str], height: int, width: int, generator: Generators
    ) -> "list[Image] | Tensor":
        # As pictures, so that a clip of a prompt is the clip of the picture that the prompt gives.
        made = self.text_to_image(prompt=prompts, height=height, width=width, generator=generator, output_type="pil")
        return check_image(made.images)

    def _conditions(
        self,
        images: "list[Image] | Tensor",
        prompts: list[str] | None,
        size: tuple[int, int],
        sampling: SamplingDefaults,
        generator: Generators,
    ) -> Conditions:
        strength = sampling.noise_aug_strength
        pixels = for_vae(images, *size).to(self.device)
        pixels = pixels + strength * randn(tuple(pixels.shape), generator, self.device, pixels.dtype)
        first_frame = encode_first_frame(self.vae, pixels)
        parts = (self.image_encoder, self.feature_extractor, self.text_encoder, self.tokenizer)
        tokens = embed(*parts, for_image_encoder(images), prompts or [""] * len(images))
        ids = added_time_ids(sampling.fps, sampling.motion_bucket_id, strength, len(images), self.dtype, self.device)
        return Conditions(tokens, first_frame, ids).to(self.device, self.dtype)

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
