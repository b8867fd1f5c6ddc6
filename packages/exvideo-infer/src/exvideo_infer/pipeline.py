"""Text and image to video with an extended base model: a pipeline of diffusers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    SchedulerMixin,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from diffusers.utils import BaseOutput
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from exvideo_infer.bases.sampling_defaults import SamplingDefaults, write_sampling_defaults
from exvideo_infer.beyond.windows import Windows
from exvideo_infer.decode import OUTPUT_TYPES, OVERLAP, STREAMED, check_overlap, decode_clips, stream_frames
from exvideo_infer.extensions import save_mounted
from exvideo_infer.generation import CALLBACK_TENSORS, Generation, StepCallback
from exvideo_infer.generators import Generators, check_generators
from exvideo_infer.memory_report import MemoryReport, report_memory
from exvideo_infer.pipeline_loading import load_pipeline
from exvideo_infer.pipeline_parts import PipelineParts
from exvideo_infer.prompts import warn_of_unread_words
from exvideo_infer.request import (
    FirstFrame,
    Prompt,
    check_choices,
    check_latents,
    check_positive,
    check_sampling,
)
from exvideo_infer.sampler import guidance_per_frame
from exvideo_infer.schedules import Schedule
from exvideo_infer.second_pass import Video, second_pass
from exvideo_infer.unloading import unloaded


@dataclass
class ExVideoOutput(BaseOutput):
    """Generated clips.

    Args:
        frames: as `output_type` says: a list of PIL images a clip, or an array or tensor of all clips.
        interrupted: True if the call was told to end before its last step; None if not.
    """

    frames: Any
    interrupted: bool | None = None


class ExVideoPipeline(PipelineParts):
    """Generates clips from prompts or first frames, with a Stable Video Diffusion base and optionally its extension.

    A pipeline of diffusers in all that these are used by: `components`, `save_pretrained`, offloading, callbacks,
    `from_pipe`. For an image alone, without an extension, it returns what `StableVideoDiffusionPipeline` returns for
    the same arguments and generator. Several threads may call one pipeline that is not offloaded.

    Args:
        vae, image_encoder, unet, scheduler, feature_extractor: as for `StableVideoDiffusionPipeline`.
        text_encoder, tokenizer: of a base that reads text, both or neither.
        image_unet, image_scheduler: of a base that makes first frames from words, both or neither: a
            `UNet2DConditionModel` on single latents of the VAE.
        sampling_defaults: what a call takes where neither it nor a mounted extension gives anything.

    Attributes:
        text_to_image: what makes first frames: any text-to-image pipeline of diffusers, called with `prompt`, `height`,
            `width`, `generator` and `output_type="pil"`; by default one of `image_unet`. It may be set to another.
        unload_unet: True moves the UNet into main memory while frames are decoded, and back; False by default. For one
            thread at a time.
    """

    model_cpu_offload_seq = "text_encoder->image_unet->image_encoder->unet->vae"
    _callback_tensor_inputs: ClassVar[list[str]] = list(CALLBACK_TENSORS)
    _optional_components: ClassVar[list[str]] = ["text_encoder", "tokenizer", "image_unet", "image_scheduler"]

    def __init__(
        self,
        vae: AutoencoderKLTemporalDecoder,
        image_encoder: CLIPVisionModelWithProjection,
        unet: UNetSpatioTemporalConditionModel,
        scheduler: EulerDiscreteScheduler,
        feature_extractor: CLIPImageProcessor,
        text_encoder: CLIPTextModelWithProjection | None = None,
        tokenizer: PreTrainedTokenizerFast | None = None,
        image_unet: UNet2DConditionModel | None = None,
        image_scheduler: SchedulerMixin | None = None,
        sampling_defaults: SamplingDefaults | Mapping[str, Any] | None = None,
    ) -> None:
        for one, other in (("text_encoder", "tokenizer"), ("image_unet", "image_scheduler")):
            if (locals()[one] is None) != (locals()[other] is None):
                raise ValueError(f"One of {one} and {other} was given alone: give both or neither.")
        super().__init__(vae, image_encoder, unet, scheduler, feature_extractor)
        self.register_modules(
            text_encoder=text_encoder, tokenizer=tokenizer, image_unet=image_unet, image_scheduler=image_scheduler
        )
        self._begin(sampling_defaults)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Self:
        """Loads a base model: "embedded", a folder or a hub id, as `exvideo_infer.load_base` says.

        An extension that `save_pretrained` saved with it is mounted.

        Args:
            pretrained_model_name_or_path: of the base.
            **kwargs: as for diffusers' `from_pretrained`: `dtype` (also called `torch_dtype`; float32 if it is not
                given), `variant`, `revision`, `device_map`, parts such as `unet` ...; and `text_to_image`, folder or
                hub id of a text-to-image pipeline of diffusers, such as Stable Diffusion, to make first frames.

        Raises:
            BaseModelError: if a model is missing, damaged or another than it should be.
            MemoryError: it does not fit.
        """
        pipeline: Self = load_pipeline(super().from_pretrained, pretrained_model_name_or_path, **kwargs)
        return pipeline

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Saves the base as diffusers does, and a mounted extension beside it, which `from_pretrained` mounts again.

        Args:
            save_directory: made if it is not there.
            **kwargs: as for diffusers' `save_pretrained`.

        Raises:
            ValueError: as `exvideo_blocks.save_extension`.
        """
        self.register_to_config(sampling_defaults=asdict(self._sampling_defaults))
        write_sampling_defaults(self._sampling_defaults, Path(save_directory))
        with save_mounted(self.extension, Path(save_directory)):
            super().save_pretrained(save_directory, **kwargs)

    @torch.no_grad()
    def __call__(
        self,
        image: FirstFrame | None = None,
        height: int | None = None,
        width: int | None = None,
        num_frames: int | None = None,
        num_inference_steps: int | None = None,
        sigmas: list[float] | None = None,
        min_guidance_scale: float | None = None,
        max_guidance_scale: float | None = None,
        fps: float | None = None,
        motion_bucket_id: float | None = None,
        noise_aug_strength: float | None = None,
        decode_chunk_size: int | None = None,
        num_videos_per_prompt: int | None = 1,
        generator: Generators = None,
        latents: Tensor | None = None,
        output_type: str | None = "pil",
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        return_dict: bool = True,
        *,
        prompt: Prompt | None = None,
        negative_prompt: Prompt | None = None,
        batch_size: int | None = None,
        guidance_batched: bool | None = None,
        decode_overlap: int = 0,
        decode_tile_size: int | None = None,
        windows: Windows | None = None,
        video: Video | None = None,
        strength: float | None = None,
    ) -> Any:
        """Generates one clip, or `num_videos_per_prompt`, a prompt or an image.

        The defaults that are named are Stable Video Diffusion's; a base's folder may have others in `sampling.json`, an
        extension's file those that it was trained at, and `sampling_defaults` tells those that hold.

        Args:
            image: first frame: a PIL image, a list of them, or a tensor (batch, 3, height, width) or (3, height, width)
                in [0, 1]. Resized to `height` x `width` whatever its proportions, as diffusers does: crop it before. By
                default `text_to_image` makes it from the prompt.
            height, width: pixels, multiples of 64 for Stable Video Diffusion; default 576 and 1024.
            num_frames: length; the extension's if one is enabled, else the base's own. Without an extension any
                length is taken: the base, sampled directly.
            num_inference_steps: evaluations of the network, twice the work each where guidance is not 1; default 25.
            sigmas: noise levels, falling, in place of the scheduler's own.
            min_guidance_scale, max_guidance_scale: guidance of the first and the last frame, at least 1; defaults 1, 3.
            fps: frames a second that the clip is to look natural at (a condition, not a resampling), from 1 to 1000;
                default 7.
            motion_bucket_id: amount of motion, 0 to 255; default 127.
            noise_aug_strength: noise added to the first frame, in units of its [-1, 1]; default 0.02.
            decode_chunk_size: frames decoded at a time; default all, the smoothest over time, and the most memory.
            num_videos_per_prompt: clips of each; they follow each other.
            generator: one, or one a clip, for text to image, then the noise of the first frame, the latents, and
                schedulers that draw.
            latents: (clips, frames, channels, height, width) standard normal noise in place of the generator's.
            output_type: "pil", "np", "pt" or "latent"; see `exvideo_infer.decode.decode_clips`.
            callback_on_step_end: called as (pipeline, step, timestep, tensors) after each step; what it returns under
                "latents" takes their place.
            callback_on_step_end_tensor_inputs: which tensors it is given: "latents", and "pred_original_sample", the
                clean ones that are predicted at the step.
            return_dict: False returns the frames themselves.
            prompt: what is to be seen: a text, or a list of texts for as many clips. A base that reads text is steered
                by it as well, with or without an image; without a prompt such a base reads the empty one.
            negative_prompt: what guidance leads away from, in a base that reads text: a text for all, or one a prompt.
            batch_size: clips sampled at a time, of all that are asked for, first frames and their encoding included;
                default all. What is made is the same, but for rounding, and for one generator that a scheduler draws
                from at each step, or that is a GPU's and makes first frames.
            guidance_batched: False asks the network twice a step, for half the activations; by default as
                `pipe.guidance_batched`, True, says for all calls. The frames are the same, but for rounding.
            decode_overlap: frames that each chunk of the decoder shares with the one before, blended, less than
                `decode_chunk_size`; the stock pipeline has none.
            decode_tile_size: pixels along the side of the tiles in which pictures are decoded, in the memory of one;
                by default whole pictures, unless `enable_vae_tiling` was called. The frames are the same, but for
                rounding: group norms have the statistics of all tiles.
            windows: how a clip is made that is longer than the model: by windows of its own length.
            video: a clip to begin from, that noise is put on (`exvideo_infer.second_pass`): PIL images; uint8 arrays
                (height, width, 3); a tensor (frames, 3, height, width), uint8 or in [0, 1]; or latents (clips, frames,
                channels, height, width) of another call. Frames are resized as `image` is. Its length is that of what
                is made, and where no image is given its first frame is taken.
            strength: of that noise, up to 1, which leaves nothing of the clip; default 0.5. `num_inference_steps` are
                made at any strength.

        Returns:
            `ExVideoOutput`, whose `frames` is a list of lists of PIL images by default. A call that was interrupted
            gives the clips up to that which it was at.

        Raises:
            ValueError: if an argument is out of its range or does not fit the models; the message says which and why.
            NotFiniteError: values are not finite at a step, or in decoded frames.
        """
        sampling = self.sampling_defaults.replace(
            num_inference_steps=num_inference_steps if sigmas is None else len(sigmas),
            min_guidance_scale=min_guidance_scale,
            max_guidance_scale=max_guidance_scale,
            fps=fps,
            motion_bucket_id=motion_bucket_id,
            noise_aug_strength=noise_aug_strength,
        )
        output_type = output_type or "latent"
        check_choices("output_type", [output_type], OUTPUT_TYPES)
        check_choices("callback_on_step_end_tensor_inputs", callback_on_step_end_tensor_inputs, CALLBACK_TENSORS)
        check_sampling(sampling)
        second = second_pass(video, strength)
        if second is not None:
            num_frames = second.num_frames(num_frames)
            height, width = second.size(height, width, self.vae_scale_factor)
            image = second.first_frames(image, _number_of(prompt))
            if sigmas is not None and second.strength < 1:
                raise ValueError(
                    "sigmas were given beside a video, whose noise strength decides: leave one of them out."
                )
            steps = sampling.num_inference_steps
            Schedule(self.scheduler, steps, torch.device("cpu"), sigmas, strength=second.strength)  # to be refused now
        num_frames = self.default_num_frames if num_frames is None else num_frames
        clips_a_prompt = 1 if num_videos_per_prompt is None else num_videos_per_prompt
        size = self._size(height, width)
        if windows is not None:
            windows = windows.of_length(self.default_num_frames)
        self.check_inputs(num_frames if windows is None else min(num_frames, windows.length or num_frames), *size)
        chunk = num_frames if decode_chunk_size is None else decode_chunk_size
        check_positive(decode_chunk_size=chunk, num_videos_per_prompt=clips_a_prompt)
        check_overlap(decode_overlap, chunk)
        tile_size = self._tile_size_of(decode_tile_size)
        guidance_scale = guidance_per_frame(sampling.min_guidance_scale, sampling.max_guidance_scale, num_frames)
        prompts, images = self.check_conditions(prompt, image)
        number = len(prompts or []) if images is None else len(images)
        negative_prompts = self._negative_prompts(negative_prompt, number)
        clips = number * clips_a_prompt
        batch = clips if batch_size is None else batch_size
        check_positive(batch_size=batch)
        check_generators(generator, clips)
        scale = self.vae_scale_factor
        shape = (clips, num_frames, self.vae.config.latent_channels, size[0] // scale, size[1] // scale)
        check_latents(latents, shape)
        if self.tokenizer is not None:
            warn_of_unread_words(self.tokenizer, [*(prompts or []), *(negative_prompts or [])])
        generation = Generation(
            self,
            prompts,
            images,
            negative_prompts,
            shape,
            size,
            guidance_scale,
            sampling,
            clips_a_prompt,
            batch,
            self.guidance_batched if guidance_batched is None else guidance_batched,
            sigmas,
            generator,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            windows,
            second,
        )
        self._guidance_scale = guidance_scale  # to be read; what a call goes by is its own
        with self._calls.one() as told:
            made, interrupted = generation.latents(latents, told)
        with nullcontext() if output_type == "latent" or not self.unload_unet else unloaded(self.network):
            frames = decode_clips(self.vae, made, chunk, output_type, decode_overlap, tile_size)
        self.maybe_free_model_hooks()
        return ExVideoOutput(frames=frames, interrupted=interrupted or None) if return_dict else frames

    def stream(
        self,
        *args: Any,
        decode_chunk_size: int = STREAMED,
        decode_overlap: int | None = None,
        decode_tile_size: int | None = None,
        **kwargs: Any,
    ) -> Iterator[NDArray[np.uint8]]:
        """Generates one clip, and yields its frames as they are decoded: (height, width, 3), 0 to 255.

        The next chunk is decoded, in a thread, while the frames of the one before are used.

        Args:
            *args, **kwargs: as for a call, but for `output_type` and `return_dict`.
            decode_chunk_size: frames decoded at a time; three times as many are held.
            decode_overlap: frames that each chunk shares with the one before, blended; by default 6, or less than half
                of a chunk.
            decode_tile_size: as for a call.

        Raises:
            ValueError: as a call; or several clips are asked for.
        """
        check_positive(decode_chunk_size=decode_chunk_size)
        if decode_overlap is None:
            decode_overlap = min(OVERLAP, (decode_chunk_size - 1) // 2)
        check_overlap(decode_overlap, decode_chunk_size)
        tile_size = self._tile_size_of(decode_tile_size)
        given = signature(ExVideoPipeline.__call__).bind(self, *args, **kwargs).arguments
        image, second = given.get("image"), second_pass(given.get("video"), given.get("strength"))
        if second is not None:
            image = second.first_frames(image, _number_of(given.get("prompt")))
        prompts, images = self.check_conditions(given.get("prompt"), image)
        clips = len(prompts or [] if images is None else images) * (given.get("num_videos_per_prompt") or 1)
        if clips != 1:
            raise ValueError(f"{clips} clips were asked for, and one can be streamed: give one prompt or image.")
        latents = self(*args, **(kwargs | {"output_type": "latent", "return_dict": False}))
        yield from self.decode_stream(latents[0], decode_chunk_size, decode_overlap, tile_size)

    def decode_stream(
        self,
        latents: Tensor,
        decode_chunk_size: int = STREAMED,
        decode_overlap: int = OVERLAP,
        decode_tile_size: int | None = None,
    ) -> Iterator[NDArray[np.uint8]]:
        """Decodes the latents of one clip, and yields its frames as `stream` does.

        Args:
            latents: (frames, channels, height, width), as a call gives them with `output_type="latent"`.
            decode_chunk_size, decode_overlap, decode_tile_size: as for `stream`.

        Raises:
            ValueError: as `stream`.
        """
        tile_size = self._tile_size_of(decode_tile_size)
        try:
            with unloaded(self.network) if self.unload_unet else nullcontext():
                yield from stream_frames(self.vae, latents, decode_chunk_size, decode_overlap, tile_size)
        finally:
            self.maybe_free_model_hooks()

    def memory_report(
        self,
        height: int | None = None,
        width: int | None = None,
        num_frames: int | None = None,
        *,
        batch_size: int = 1,
        guidance_batched: bool | None = None,
        decode_chunk_size: int | None = None,
        decode_tile_size: int | None = None,
    ) -> MemoryReport:
        """The memory that a call with these arguments will take, in seconds and without running the networks.

        Raises:
            ValueError: as a call.
        """
        sampling, size = self.sampling_defaults, self._size(height, width)
        num_frames = self.default_num_frames if num_frames is None else num_frames
        self.check_inputs(num_frames, *size)
        guided = max(sampling.min_guidance_scale, sampling.max_guidance_scale) > 1
        chunk = num_frames if decode_chunk_size is None else decode_chunk_size
        check_positive(batch_size=batch_size, decode_chunk_size=chunk)
        batched = self.guidance_batched if guidance_batched is None else guidance_batched
        passes, tile_size = 2 if guided and batched else 1, self._tile_size_of(decode_tile_size)
        return report_memory(self, num_frames, *size, batch_size, passes, chunk, tile_size)


def _number_of(prompt: Prompt | None) -> int:
    return 1 if prompt is None or isinstance(prompt, str) else len(prompt)
