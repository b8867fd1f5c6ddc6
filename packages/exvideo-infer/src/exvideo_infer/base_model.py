"""Finding and loading a base model: the embedded one, a local folder in diffusers' layout, or a repository of a hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from exvideo_infer import embedded

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
    from transformers import (
        CLIPImageProcessor,
        CLIPTextModelWithProjection,
        CLIPVisionModelWithProjection,
        PreTrainedTokenizerFast,
    )

PIPELINE_CLASS = "StableVideoDiffusionPipeline"
INDEX = "model_index.json"
EMBEDDED = "embedded"
TEXT_PARTS = ("text_encoder", "tokenizer")


class BaseModelError(ValueError):
    """A base model that cannot be loaded; the message names it and what is wrong with it."""


@dataclass(frozen=True)
class BaseModel:
    """The parts of a base model; those of Stable Video Diffusion, and two more where it reads text.

    Args:
        text_encoder, tokenizer: both or neither. With them, the network's cross-attentions are trained on the image's
            token followed by `tokenizer.model_max_length` of text (`exvideo_infer.conditioning.join_tokens`).
        directory: the folder that it was read from; None for a hub's.
    """

    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection
    unet: UNetSpatioTemporalConditionModel
    scheduler: EulerDiscreteScheduler
    feature_extractor: CLIPImageProcessor
    text_encoder: CLIPTextModelWithProjection | None = None
    tokenizer: PreTrainedTokenizerFast | None = None
    directory: Path | None = None

    @property
    def reads_text(self) -> bool:
        """True if prompts steer its clips."""
        return self.text_encoder is not None

    @property
    def encoders(self) -> list[Any]:
        """The networks that make what the UNet is conditioned on."""
        return [self.vae, self.image_encoder, *([self.text_encoder] if self.reads_text else [])]


def load_base(directory_or_hub_id: str | Path, torch_dtype: torch.dtype | None = None, **kwargs: Any) -> BaseModel:
    """Loads the parts of a base model.

    Args:
        directory_or_hub_id: "embedded" for the model that ships with this package; a folder that holds a
            `model_index.json`; or a hub id such as "stabilityai/stable-video-diffusion-img2vid-xt". A folder that holds
            `text_encoder/` and `tokenizer/` besides is a base that reads text.
        torch_dtype: of the weights, whatever dtype they are stored in; float32 if None.
        **kwargs: for diffusers' `from_pretrained`: `variant`, `revision`, `cache_dir`, `local_files_only` ...

    Raises:
        BaseModelError: if the folder is missing, is no Stable Video Diffusion, has a text encoder that does not fit its
            UNet, or its files or the hub cannot be read.
    """
    name = _find(directory_or_hub_id)
    directory = Path(name) if Path(name).exists() else None
    # Left to themselves, diffusers gives fp32 and transformers what the file has: a base of two dtypes, which fails.
    dtype = torch_dtype or torch.float32
    from diffusers import StableVideoDiffusionPipeline

    with loading(name):
        parts = StableVideoDiffusionPipeline.from_pretrained(name, dtype=dtype, **kwargs).components
        text_encoder, tokenizer = _load_text_parts(directory, dtype)
    base = BaseModel(**parts, text_encoder=text_encoder, tokenizer=tokenizer, directory=directory)
    _check_text_width(base, name)
    return base


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turns whatever a damaged file or a hub gives (of safetensors, json, transformers, httpx ...) into one sentence.

    Raises:
        BaseModelError: in place of any other exception within.
    """
    try:
        yield
    except BaseModelError:
        raise
    except Exception as error:
        tried = "its files are damaged or missing" if Path(name).exists() else "no such folder, and none from the hub"
        reason = re.split(r"\. | \(|\n", str(error).strip())[0].rstrip(".")  # theirs run to paragraphs
        raise BaseModelError(f"The model {name} cannot be loaded, {tried}: {reason}.") from error


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


def _find(directory_or_hub_id: str | Path) -> str:
    name = str(directory_or_hub_id)
    if name == EMBEDDED:
        name = str(embedded.directory())
        if not (embedded.directory() / INDEX).is_file():
            raise BaseModelError(
                f"The embedded model's files are not in {name}: install exvideo-infer from its wheel, or give the "
                "folder or the hub id of another base."
            )
    check_is_folder_or_hub_id(name)
    if Path(name).exists():
        _check_folder(Path(name))
    return name


def _check_folder(directory: Path) -> None:
    index = directory / INDEX
    if not index.is_file():
        raise BaseModelError(f"{directory} holds no {INDEX}: give the folder of a base model saved by diffusers.")
    try:
        pipeline_class = json.loads(index.read_text())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"{index} cannot be read as a diffusers index: {error}.") from error
    if pipeline_class != PIPELINE_CLASS:
        raise BaseModelError(f"{directory} is of {pipeline_class}: give a base of {PIPELINE_CLASS}.")
    there = [part for part in TEXT_PARTS if (directory / part).is_dir()]
    if len(there) == 1:
        raise BaseModelError(
            f"{directory} holds {there[0]}/ alone: a base that reads text has {' and '.join(TEXT_PARTS)}, others none."
        )


def _load_text_parts(directory: Path | None, dtype: torch.dtype) -> tuple[Any, Any]:
    if directory is None or not (directory / TEXT_PARTS[0]).is_dir():
        return None, None
    from transformers import CLIPTextModelWithProjection, PreTrainedTokenizerFast

    text_encoder = CLIPTextModelWithProjection.from_pretrained(directory / TEXT_PARTS[0], dtype=dtype)
    return text_encoder, PreTrainedTokenizerFast.from_pretrained(directory / TEXT_PARTS[1])


def _check_text_width(base: BaseModel, name: str) -> None:
    if base.text_encoder is None:
        return
    width, expected = base.text_encoder.config.hidden_size, base.unet.config.cross_attention_dim
    if width != expected:
        raise BaseModelError(
            f"The text encoder of {name} has width {width}, its UNet's cross-attention {expected}: give a base whose "
            "parts were trained together."
        )


def _looks_like_hub_id(name: str) -> bool:
    # Owner/name; but where the owner is a folder here, a folder was meant, and the hub's answer would only puzzle.
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None and not Path(name.split("/")[0]).is_dir()
