"""The contract of a base model, whatever its family: its network and scheduler, and how clips are encoded for it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from torch import Tensor, nn

from exvideo_infer.bases.error import BaseModelError as BaseModelError
from exvideo_infer.bases.sampling_defaults import SamplingDefaults
from exvideo_infer.conditions import Conditions
from exvideo_infer.memory import is_out_of_memory


class Base(Protocol):
    """The parts of a base model, and what encodes for it.

    Attributes:
        network: the one that denoises, to be extended.
        scheduler: of diffusers, that it samples with.
        encoders: networks; encoding works on the device that they are on.
        tokenizer: of a base that reads text; None in one that reads none.
        encoding_settings: all that encoding goes by besides the weights of `encoders` and the tokenizer, as JSON can
            write it; equal for equal encodings, wherever the base was loaded from.
        encodes_frames_apart: True if the latents of a frame are made of that frame alone, so that clips that overlap
            share them; False for an autoencoder over time.
        size_multiple: height and width of clips are multiples of so many pixels.
        default_size: height and width that the network was made for, in pixels; None where it does not say.

    Where clips are sampled from it, with `denoise`, it has three members more:

    Attributes:
        decoder: the network that `decode` works with, on the device that it is on; one of `encoders`, perhaps.
        sampling_defaults: steps and guidance, where nobody gives others.
    """

    @property
    def network(self) -> Any: ...
    @property
    def scheduler(self) -> Any: ...
    @property
    def encoders(self) -> Sequence[nn.Module]: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def encoding_settings(self) -> dict[str, Any]: ...
    @property
    def size_multiple(self) -> int: ...
    @property
    def default_size(self) -> tuple[int, int] | None: ...
    @property
    def encodes_frames_apart(self) -> bool: ...

    @property
    def decoder(self) -> nn.Module: ...
    @property
    def sampling_defaults(self) -> SamplingDefaults: ...

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Latents of a clip, or of any frames if they are encoded apart: (frames, ...), in the network's scale.

        Args:
            frames: (frames, 3, height, width), in [-1, 1].
        """
        ...

    def encode_image(self, image: Tensor) -> dict[str, Tensor]:
        """The part of `conditions` that a clip's first frame decides; no batch axis.

        Args:
            image: (3, height, width), in [-1, 1].
        """
        ...

    def encode_text(self, caption: str) -> dict[str, Tensor]:
        """The part of `conditions` that a caption decides; no batch axis. Not called where there is no tokenizer."""
        ...

    def decode(self, latents: Tensor) -> Iterator[Tensor]:
        """The frames of one clip, a few at a time: fp32 (3, height, width) in [0, 1].

        Args:
            latents: (frames, ...), in the network's scale.
        """
        ...

    @staticmethod
    def conditions(encoded: Mapping[str, Tensor], fps: float, motion_bucket_id: float) -> Conditions:
        """The conditions of an encoded clip, a batch of one.

        Args:
            encoded: `latents` of the clip, and what `encode_image` and `encode_text` gave: as `encode_for` does.
            fps: frames a second of the clip.
            motion_bucket_id: amount of motion, 0 (still) to 255.
        """
        ...


def encode_for(base: Base, frames: Tensor, caption: str = "") -> dict[str, Tensor]:
    """Encodes one clip: `latents` (frames, ...), in the network's scale, and all that `Base.conditions` is made of.

    Args:
        base: what encodes.
        frames: (frames, 3, height, width), in [-1, 1].
        caption: not looked at by a base that reads no text.
    """
    text = {} if base.tokenizer is None else base.encode_text(caption)
    return {"latents": base.encode_frames(frames)} | base.encode_image(frames[0]) | text


def size_multiple(unet: Any, vae_scale_factor: int) -> int:
    """Pixels that the sides of a clip are multiples of, so that every level of a UNet can halve its latents."""
    return vae_scale_factor * int(2 ** (len(unet.config.block_out_channels) - 1))


def default_size(unet: Any, vae_scale_factor: int) -> tuple[int, int] | None:
    """Height and width in pixels that a UNet was made for, by its `sample_size`; None where its config has none."""
    sample_size = unet.config.sample_size
    if sample_size is None:
        return None
    height, width = (sample_size, sample_size) if isinstance(sample_size, int) else tuple(sample_size)
    return height * vae_scale_factor, width * vae_scale_factor


# Keys that say where a part comes from, and not what it computes. The last one's order changes from run to run.
_ORIGINS = {"_name_or_path", "_diffusers_version", "transformers_version", "_use_default_values"}


def settings_of(part: Any) -> dict[str, Any]:
    """The settings of a network or a preprocessor of diffusers or transformers, without those of its origin.

    Args:
        part: has a `config`, or is its own, as a preprocessor is.

    Returns:
        Values that JSON can write.
    """
    config = getattr(part, "config", part)
    values = dict(config) if isinstance(config, Mapping) else config.to_dict()
    # Tuples and dtypes as they would come back from a file.
    kept: dict[str, Any] = json.loads(json.dumps(values, default=str), object_hook=_without_origins)
    return kept


def _without_origins(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _ORIGINS}


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turns whatever a damaged file or a hub gives (of safetensors, json, transformers, httpx ...) into one sentence.

    Raises:
        BaseModelError: in place of any other exception within, but for those of too little memory.
        MemoryError: in place of those.
    """
    try:
        yield
    except (BaseModelError, MemoryError):
        raise
    except Exception as error:
        reason = re.split(r"\. | \(|\n", str(error).strip())[0].rstrip(".")  # theirs run to paragraphs
        if is_out_of_memory(error):
            raise MemoryError(f"The model {name} does not fit in memory ({reason}): give a smaller dtype.") from error
        raise BaseModelError(f"The model {name} cannot be loaded, {_kind_of(error, name)}: {reason}.") from error


def _kind_of(error: Exception, name: str) -> str:
    """The fault in words: of an argument, a file, or the hub."""
    if isinstance(error, TypeError) and "argument" in str(error):
        return "as it takes no such argument"
    if isinstance(error, NotImplementedError):
        return "as it cannot be done so"
    if Path(name).exists():
        return "its files are damaged or missing"
    of_hub = (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, ConnectionError)
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(cause, of_hub) for cause in causes):
        return "no such folder, and none from the hub"
    return "its files on the hub are not what was asked for"


def base_file(name: str, path: str, where: Mapping[str, Any]) -> Path | None:
    """A file of a base; None where it has no such file, or the hub that would have it is out of reach.

    Args:
        name: folder or hub id.
        path: within it, "text_encoder/config.json".
        where: `cache_dir`, `revision` and the like, for a hub.
    """
    if Path(name).exists():
        found = Path(name) / path
        return found if found.is_file() else None
    try:
        return Path(hf_hub_download(name, path, **where))
    except EntryNotFoundError:  # also where it is not in the cache, and there is no network
        return None


def variant_of(name: str, weights: str, where: Mapping[str, Any], variant: str | None) -> str | None:
    """The variant that a part is to be loaded in: the one asked for, or None where it has plain weights alone.

    Args:
        name, where: as for `base_file`.
        weights: of the part, "text_encoder/model".
    """
    if variant is None or base_file(name, f"{weights}.{variant}.safetensors", where) is None:
        return None
    return variant


def check_is_folder_or_hub_id(name: str) -> None:
    """Raises BaseModelError for what is neither a folder that is there nor looks like owner/name."""
    if not Path(name).exists() and not _looks_like_hub_id(name):
        raise BaseModelError(f"There is no folder {name}: give a model's folder, or a hub id such as owner/name.")


def silence_loading() -> None:
    """Loading bars and notices are many lines; a command's stderr is for its own progress and its one sentence."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _looks_like_hub_id(name: str) -> bool:
    # Owner/name; but where the owner is a folder here, a folder was meant, and the hub's answer would only puzzle.
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None and not Path(name.split("/")[0]).is_dir()
