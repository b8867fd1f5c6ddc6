"""Clips by a family's own pipeline of diffusers, with an extension mounted on its network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exvideo_blocks import Extension, extension_of, family_of, load_extension
from numpy.typing import NDArray
from PIL import Image

from exvideo_infer.bases import load_base
from exvideo_infer.bases.optional import MixesExperts, SampledByStock
from exvideo_infer.bases.sampling_defaults import SamplingDefaults, of_extension
from exvideo_infer.decode import to_uint8
from exvideo_infer.extensions import find_extension
from exvideo_infer.prompts import warn_of_unread_words
from exvideo_infer.request import check_positive, check_size

USUAL_SIZE = (512, 512)  # pixels, of a base that does not say its own


@dataclass(frozen=True)
class TextRequest:
    """A clip that is asked for; None leaves a value open.

    Args:
        num_frames: the extension's length, if left open, else the base's.
        height, width: pixels; those of the extension's training, if left open, else what the base was made for.
        steps: evaluations of the network.
        guidance_scale: 1 is none.
        seed: of the noise.
        fps: frames a second, of a pipeline that is told.
        image: the first frame, of a base that can begin at one.
    """

    prompt: str
    num_frames: int | None = None
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int = 0
    fps: float | None = None
    image: Image.Image | None = None

    def filled(self, base: SampledByStock) -> dict[str, Any]:
        """The arguments of a call of the base's pipeline, all but the picture.

        Raises:
            ValueError: the clip is longer than the extension or the base, or of a length or a size that it has none of;
                or a picture is lacking, or of no use.
        """
        if self.image is None and base.gives_first_frame:
            raise ValueError("Clips of this base begin at a picture, and none is given: give an image.")
        if self.image is not None and base.image_pipeline is None:
            raise ValueError("Clips of this base begin at no picture, and an image is given: leave it out.")
        height, width = self._size(base)
        sampling = defaults_of(base).replace(num_inference_steps=self.steps, max_guidance_scale=self.guidance_scale)
        return {
            "prompt": self.prompt,
            "num_frames": self._num_frames(base),
            "height": height,
            "width": width,
            "num_inference_steps": sampling.num_inference_steps,
            **base.call_arguments(sampling, self.fps or sampling.fps),
        }

    def _num_frames(self, base: SampledByStock) -> int:
        family, extensions = family_of(base.network), [extension_of(network) for network in base.networks]
        lengths = [extension.config.num_frames for extension in extensions if extension]
        known = min(lengths, default=family.base_frames(base.network))
        frames = known if self.num_frames is None else self.num_frames
        check_positive(num_frames=frames)
        family.rows(frames)
        if lengths and frames > known:
            raise ValueError(f"num_frames is {frames}, but the extension has {known}: ask for no more than that.")
        plain = [network for network, extension in zip(base.networks, extensions, strict=True) if not extension]
        if not all(family.can_run(network, frames) for network in plain):
            raise ValueError(
                f"num_frames is {frames}, beyond the positions that this base has: load an extension trained for so "
                f"many, or ask for {known}, which it was trained at."
            )
        return frames

    def _size(self, base: SampledByStock) -> tuple[int, int]:
        extension = mounted_on(base)
        sizes = (extension.training or {}).get("sizes", []) if extension else []
        height, width = sizes[0] if len(sizes) == 1 else base.default_size or USUAL_SIZE
        height, width = self.height or height, self.width or width
        check_size(height, width, base.size_multiple)
        return height, width


def mounted_on(base: SampledByStock) -> Extension | None:
    """The extension of the base's network; of a mixture, that of the first expert that has one."""
    found = (extension_of(network) for network in base.networks)
    return next((extension for extension in found if extension is not None), None)


def defaults_of(base: SampledByStock) -> SamplingDefaults:
    """The values taken where a caller leaves them open: those an extension was trained at, else the base's own."""
    extension = mounted_on(base)
    return of_extension(base.sampling_defaults, extension.training if extension else None)


def load_stock(
    base: str | Path,
    extension: str | Path | None,
    torch_dtype: torch.dtype,
    extension_2: str | Path | None = None,
) -> SampledByStock:
    """Loads a base that its own pipeline samples, and mounts the extensions that are given.

    Args:
        extension: on its network; of a mixture, on the expert of the highest noise. A file, a run's folder, one of its
            checkpoints, or a hub's id.
        extension_2: on a mixture's other expert.

    Raises:
        ValueError: as `load_base`, `find_extension` and `exvideo_blocks.load_extension`; or an extension is of another
            expert.
    """
    loaded = load_base(base, torch_dtype)
    assert isinstance(loaded, SampledByStock)
    if extension_2 is not None and len(loaded.networks) < 2:
        raise ValueError(f"{base} is no mixture of two experts, and extension_2 is {extension_2}: leave it out.")
    experts = loaded.experts if isinstance(loaded, MixesExperts) else ()
    for place, source in enumerate((extension, extension_2)):
        if source is not None:
            mounted = load_extension(loaded.networks[place], find_extension(source) or source)
            trained = (mounted.training or {}).get("expert")
            if experts and trained not in (None, experts[place]):
                raise ValueError(
                    f"{source} was trained on the expert {trained}, and was to be put on {experts[place]}: give that "
                    "of high_noise as extension, that of low_noise as extension_2."
                )
    return loaded


def generate(
    base: SampledByStock, request: TextRequest, on_step: Callable[..., dict[str, Any]] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Frames (height, width, 3), 0 to 255, of the clip that is asked for, on the pipeline's device.

    Args:
        base: extended or not.
        request: the clip.
        on_step: diffusers' `callback_on_step_end`.

    Raises:
        ValueError: as `TextRequest.filled`; or frames are not finite.
    """
    arguments = request.filled(base)
    warn_of_unread_words(base.tokenizer, [request.prompt])
    generator = torch.Generator().manual_seed(request.seed)  # of the CPU: the same noise on every device
    pipeline = base.pipeline
    if request.image is not None:
        pipeline, arguments = base.image_pipeline, arguments | {"image": request.image}
        pipeline.set_progress_bar_config(**getattr(base.pipeline, "_progress_bar_config", {}))
    made = pipeline(**arguments, generator=generator, callback_on_step_end=on_step, output_type="pt")
    frames = made.frames[0]
    return (to_uint8(frame.float()) for frame in frames)
