"""The parts of an `ExVideoPipeline` and what they take: extension, text to image, sizes, lengths, tiles."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import Any, Self

from diffusers import StableVideoDiffusionPipeline
from exvideo_blocks import Extension, extension_of, family_of, restore

from exvideo_infer.bases.sampling_defaults import SamplingDefaults, of_extension
from exvideo_infer.extensions import mount_extension
from exvideo_infer.interruption import Calls
from exvideo_infer.request import FirstFrame, Prompt, check_positive, check_prompt_and_image, check_size
from exvideo_infer.text_to_image import own_text_to_image
from exvideo_infer.tiled_decoder import TILE_SIZE, check_tile_size

STOCK_SIZE = (576, 1024)  # height and width that Stable Video Diffusion was trained at


class PipelineParts(StableVideoDiffusionPipeline):
    """The parts of an `ExVideoPipeline` beside the stock pipeline's, and the checks of what a call gives them."""

    def _begin(self, sampling_defaults: SamplingDefaults | Mapping[str, Any] | None) -> None:
        if isinstance(sampling_defaults, Mapping):
            sampling_defaults = SamplingDefaults(**sampling_defaults)
        self.sampling_defaults = sampling_defaults or SamplingDefaults()
        self._other_text_to_image: Any = None
        self.first_frames = RLock()  # other pipelines are not made for several threads
        self._calls = Calls()
        self.unload_unet = False
        self.guidance_batched = True
        self._tile_size: int | None = None

    # --- parts -----------------------------------------------------------------------------------------------------

    @property
    def reads_text(self) -> bool:
        """True if the base's clips are steered by a prompt, with or without an image."""
        return self.text_encoder is not None

    @property
    def text_to_image(self) -> Any:
        """The pipeline that makes first frames from words; None where there is none."""
        if self._other_text_to_image is not None or self.image_unet is None:
            return self._other_text_to_image
        bar = getattr(self, "_progress_bar_config", {})
        return own_text_to_image(self, self._sampling_defaults.text_to_image, bar)

    @text_to_image.setter
    def text_to_image(self, pipeline: Any) -> None:
        self._other_text_to_image = pipeline

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """The arguments of a call that gives none: what the enabled extension was trained at, else the base's own."""
        return of_extension(self._sampling_defaults, self._enabled.training if self._enabled else None)

    @sampling_defaults.setter
    def sampling_defaults(self, value: SamplingDefaults) -> None:
        self._sampling_defaults = value
        self.register_to_config(sampling_defaults=asdict(value))

    @property
    def extension(self) -> Extension | None:
        """The extension mounted on the UNet, if any."""
        return extension_of(self.network)

    @property
    def _enabled(self) -> Extension | None:
        extension = self.extension
        return extension if extension is not None and extension.is_enabled else None

    @property
    def network(self) -> Any:
        """The UNet itself, also where `unet` is what torch.compile made of it."""
        return getattr(self.unet, "_orig_mod", self.unet)

    def load_extension(self, path: str | Path, *, revision: str | None = None) -> Extension:
        """Mounts an extension on the UNet.

        Args:
            path: what exvideo-train writes: an extension's file, a checkpoint's folder, or the run's, of which the
                extension or else the newest checkpoint is taken; a folder of `save_pretrained`; `user/name` on the
                Hugging Face hub; the authors' published checkpoint as safetensors, a file or their repository; or
                "embedded", the one of the embedded model that is shipped. What exists here goes first.
            revision: branch, tag or commit on the hub; None for the main branch.

        Raises:
            ValueError: if the file is missing, truncated, not an extension or of another base, if the hub did not give
                it, or if an extension is mounted already.
        """
        return mount_extension(self.unet, path, revision)

    def unload_extension(self) -> None:
        """Puts the base's own modules back, bit for bit. Raises ValueError if no extension is mounted."""
        restore(self.network)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves and/or casts all networks, given as to diffusers' own; also those of another `text_to_image`."""
        super().to(*args, **kwargs)
        if "silence_dtype_warnings" in kwargs:  # diffusers' own call, as it offloads parts that this one is none of
            return self
        if hasattr(self._other_text_to_image, "to"):
            self._other_text_to_image.to(*args, **kwargs)
        return self

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        """Keyword arguments for the tqdm bars of the denoising steps, such as `disable=True`."""
        super().set_progress_bar_config(**kwargs)
        if hasattr(self._other_text_to_image, "set_progress_bar_config"):
            self._other_text_to_image.set_progress_bar_config(**kwargs)

    def enable_vae_tiling(self, tile_size: int = TILE_SIZE) -> None:
        """Decodes pictures in tiles from now on, where a call does not say otherwise; see `decode_tile_size`.

        Raises:
            ValueError: the tiles are too small.
        """
        check_tile_size(tile_size, self.vae_scale_factor)
        self._tile_size = tile_size

    def disable_vae_tiling(self) -> None:
        """Decodes whole pictures again."""
        self._tile_size = None

    # --- what a call takes -----------------------------------------------------------------------------------------

    @property
    def default_num_frames(self) -> int:
        """The enabled extension's length, or the base's where there is none."""
        return self._enabled.config.num_frames if self._enabled else int(self.unet.config.num_frames)

    def default_size(self) -> tuple[int, int]:
        """(height, width) in pixels that a call takes which gives none.

        The size that the enabled extension was trained at, the first of several; else the base's own of
        `sampling_defaults`, else Stable Video Diffusion's.
        """
        sizes = (self._enabled.training or {}).get("sizes", []) if self._enabled else []
        if sizes:
            return int(sizes[0][0]), int(sizes[0][1])
        height, width = self._sampling_defaults.height, self._sampling_defaults.width
        return STOCK_SIZE if height is None or width is None else (height, width)

    def check_inputs(self, num_frames: int, height: int, width: int) -> None:
        """Checks the shape of a clip against the models, and the scheduler against the network.

        Raises:
            ValueError: if there are more frames than the enabled extension has, none, or a side that the network's
                levels do not divide; or the scheduler is of another prediction than the network's.
        """
        check_positive(num_frames=num_frames)
        family = family_of(self.network)
        family.objective(self.scheduler)
        family.rows(num_frames)
        longest = self._enabled.config.num_frames if self._enabled else num_frames
        if num_frames > longest:
            raise ValueError(
                f"num_frames is {num_frames}, but the extension has {longest}:"
                " ask for no more than that, or load an extension trained for more."
            )
        check_size(height, width, self.vae_scale_factor * int(2 ** (len(self.unet.config.block_out_channels) - 1)))

    def check_conditions(self, prompt: Prompt | None, image: FirstFrame | None) -> tuple[list[str] | None, Any]:
        """Prompt and image as lists (or the image as one batch), where they are given.

        Raises:
            ValueError: if these models cannot make clips of them; the message says why.
        """
        makes_images = self._other_text_to_image is not None or self.image_unet is not None
        return check_prompt_and_image(prompt, image, self.reads_text, makes_images)

    @property
    def interrupt(self) -> bool:
        """True if a call was told to end.

        Set it to True to end calls at their next step, with the clip that is predicted clean there: from a callback
        that one call, from anywhere else all that are under way.
        """
        return self._calls.interrupted

    @interrupt.setter
    def interrupt(self, value: bool) -> None:
        self._calls.interrupt(value)

    _interrupt = interrupt  # as callbacks for diffusers' pipelines set it

    def _tile_size_of(self, given: int | None) -> int | None:
        if given is not None:
            check_tile_size(given, self.vae_scale_factor)
        return self._tile_size if given is None else given

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        default_height, default_width = self.default_size()
        return (default_height if height is None else height), (default_width if width is None else width)

    def _negative_prompts(self, negative_prompt: Prompt | None, number: int) -> list[str] | None:
        if negative_prompt is None:
            return None
        if not self.reads_text:
            raise ValueError(
                "The base reads no text, so that negative_prompt would change nothing: leave it out, or load a base "
                'that reads text, such as "embedded".'
            )
        given = [negative_prompt] * number if isinstance(negative_prompt, str) else list(negative_prompt)
        if len(given) != number:
            raise ValueError(f"{len(given)} negative prompts were given for {number} clips: give one for all, or each.")
        return given
