"""One call of the pipeline, its arguments checked: conditions, noise, and the latents made of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import torch
from exvideo_blocks import family_of
from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.beyond.windows import WindowedFamily, Windows
from exvideo_infer.conditions import Conditions
from exvideo_infer.encoders import added_time_ids, embed, encode_first_frame, for_image_encoder, for_vae
from exvideo_infer.generators import Generators, randn
from exvideo_infer.placement import execution_device
from exvideo_infer.request import check_image
from exvideo_infer.sampler import denoise
from exvideo_infer.schedules import Stepped
from exvideo_infer.second_pass import SecondPass

# (pipeline, step, timestep, tensors) -> tensors that take the place of those given, or None
StepCallback = Callable[[Any, int, Tensor, dict[str, Tensor]], Mapping[str, Tensor] | None]
CALLBACK_TENSORS = ("latents", "pred_original_sample")


class _InterruptedError(Exception):
    """A call was told to end; it has the clean latents that were predicted at that step."""

    def __init__(self, original: Tensor) -> None:
        self.original = original


@dataclass(frozen=True)
class Generation:
    """A call's arguments, checked and complete; as `ExVideoPipeline.__call__` explains them.

    Args:
        pipe: the `ExVideoPipeline` that was called.
        shape: of the latents of all clips.
        size: (height, width) in pixels.
        guidance_scale: (frames,).
        clips_a_prompt: that follow each other.
        batch_size: clips that are sampled at a time.
        windows: complete; None asks the network for whole clips.
        second: a clip to begin from; None begins from noise.
    """

    pipe: Any
    prompts: list[str] | None
    images: Any
    negative_prompts: list[str] | None
    shape: tuple[int, ...]
    size: tuple[int, int]
    guidance_scale: Tensor
    sampling: SamplingDefaults
    clips_a_prompt: int
    batch_size: int
    guidance_batched: bool
    sigmas: list[float] | None
    generator: Generators
    callback: StepCallback | None
    callback_tensors: Sequence[str]
    windows: Windows | None = None
    second: SecondPass | None = None

    def latents(self, given: Tensor | None, told: Event) -> tuple[Tensor, bool]:
        """Latents of all clips, or of those up to an interruption, and True if there was one.

        Args:
            given: noise; drawn where there is none.
            told: is set once the call is to end at its next step.
        """
        images = self._make_first_frames() if self.images is None else self.images
        device, dtype = execution_device(self.pipe.unet), self.pipe.unet.dtype
        # From here on the order of the random draws is diffusers' own: the first frame's noise, then the latents.
        conditions, unconditional = self._conditions(images, device, dtype)
        noise = randn(self.shape, self.generator, device, dtype) if given is None else given.to(device, dtype)
        if self.windows is not None:
            noise = self.windows.noise_of(noise, self.generator)
        clean = None
        if self.second is not None and self.second.strength < 1:
            clean = self.second.latents(self.pipe, self.shape, self.size).to(device, dtype)
        made, interrupted = list[Tensor](), False
        for start in range(0, len(noise), self.batch_size):
            part = slice(start, start + self.batch_size)
            without = None if unconditional is None else unconditional.rows(part)
            try:
                begun = None if clean is None else clean[part]
                made.append(self._denoise(noise[part], begun, conditions.rows(part), without, part, told))
            except _InterruptedError as end:
                made.append(end.original)
                interrupted = True
                break
        return (torch.cat(made) if len(made) > 1 else made[0]), interrupted

    @property
    def _first_of_each(self) -> Generators:
        """One generator for all, or that of each prompt's first clip."""
        return self.generator[:: self.clips_a_prompt] if isinstance(self.generator, list) else self.generator

    def _make_first_frames(self) -> Any:
        assert self.prompts is not None
        starts = range(0, len(self.prompts), self.batch_size)
        with self.pipe.first_frames:
            return check_image([image for start in starts for image in self._first_frames_from(start)])

    def _first_frames_from(self, start: int) -> list[Any]:
        """Those of one batch of prompts: pictures, so that a clip of a prompt is the clip of its picture."""
        part, generator = slice(start, start + self.batch_size), self._first_of_each
        assert self.prompts is not None
        made = self.pipe.text_to_image(
            prompt=self.prompts[part],
            height=self.size[0],
            width=self.size[1],
            generator=generator[part] if isinstance(generator, list) else generator,
            output_type="pil",
            **({} if self.negative_prompts is None else {"negative_prompt": self.negative_prompts[part]}),
        )
        return list(made.images)

    def _conditions(
        self, images: Any, device: torch.device, dtype: torch.dtype
    ) -> tuple[Conditions, Conditions | None]:
        """The conditions of all clips, and what guidance leads away from where a negative prompt says so."""
        pipe, sampling, number = self.pipe, self.sampling, len(images)
        pixels = for_vae(images, *self.size, pipe.vae_scale_factor).to(execution_device(pipe.vae))
        noise = randn(tuple(pixels.shape), self._first_of_each, pixels.device, pixels.dtype)
        noisy = (pixels + sampling.noise_aug_strength * noise).split(self.batch_size)
        first_frame = torch.cat([encode_first_frame(pipe.vae, batch) for batch in noisy])
        pictures = [batch for one in for_image_encoder(images) for batch in one.split(self.batch_size)]
        tokens = self._tokens(pictures, self.prompts or [""] * number)
        numbers = (sampling.fps, sampling.motion_bucket_id, sampling.noise_aug_strength)
        ids = added_time_ids(*numbers, number, dtype, device)
        conditions = Conditions(tokens, first_frame, ids).to(device, dtype).repeated(self.clips_a_prompt)
        if self.negative_prompts is None:
            return conditions, None
        words = self._tokens(pictures, self.negative_prompts).to(device, dtype)
        words[:, :1] = 0  # the image's token, of which guidance leads away as without words
        return conditions, replace(conditions.without(), tokens=words.repeat_interleave(self.clips_a_prompt, dim=0))

    def _tokens(self, pictures: list[Tensor], texts: list[str]) -> Tensor:
        pipe = self.pipe
        parts = (pipe.image_encoder, pipe.feature_extractor, pipe.text_encoder, pipe.tokenizer)
        return embed(*parts, pictures, texts, self.batch_size)

    def _denoise(
        self,
        noise: Tensor,
        clean: Tensor | None,
        conditions: Conditions,
        unconditional: Conditions | None,
        part: slice,
        told: Event,
    ) -> Tensor:
        pipe, steps, family = self.pipe, self.sampling.num_inference_steps, family_of(self.pipe.network)
        order = int(getattr(pipe.scheduler, "order", 1))  # evaluations a step, but the last
        with pipe.progress_bar(total=steps) as progress_bar:

            def on_prediction(step: int, timestep: Tensor, stepped: Stepped) -> Tensor:
                pipe._num_timesteps = stepped.num_timesteps
                if (step + 1) % order == 0 or stepped.is_last:
                    progress_bar.update()
                latents = self._call_back(step, timestep, stepped)
                if told.is_set():
                    raise _InterruptedError(stepped.pred_original_sample)
                return latents

            return denoise(
                pipe.unet,
                pipe.scheduler,
                noise,
                conditions,
                self.guidance_scale,
                steps,
                family=family if self.windows is None else WindowedFamily(family, self.windows),
                unconditional=unconditional,
                guidance_batched=self.guidance_batched,
                sigmas=self.sigmas,
                generator=self.generator[part] if isinstance(self.generator, list) else self.generator,
                on_prediction=on_prediction,
                clean=clean,
                strength=1.0 if self.second is None else self.second.strength,
            )

    def _call_back(self, step: int, timestep: Tensor, stepped: Stepped) -> Tensor:
        if self.callback is None:
            return stepped.latents
        tensors = {name: getattr(stepped, name) for name in self.callback_tensors}
        changed: Tensor = (self.callback(self.pipe, step, timestep, tensors) or {}).get("latents", stepped.latents)
        return changed
