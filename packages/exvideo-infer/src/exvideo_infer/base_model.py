"""Finding and loading a base model: a local folder in diffusers' layout, or a repository of a model hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from diffusers import StableVideoDiffusionPipeline

PIPELINE_CLASS = "StableVideoDiffusionPipeline"
INDEX = "model_index.json"


class BaseModelError(ValueError):
    """A base model that cannot be loaded; the message names it and what is wrong with it."""


def load_base(
    directory_or_hub_id: str | Path, torch_dtype: torch.dtype | None = None, **kwargs: Any
) -> StableVideoDiffusionPipeline:
    """Loads the components of a base model through diffusers.

    Args:
        directory_or_hub_id: a folder that holds a `model_index.json`, or a hub id such as
            "stabilityai/stable-video-diffusion-img2vid-xt".
        torch_dtype: of the weights; as stored if None.
        **kwargs: for diffusers' `from_pretrained`: `variant`, `revision`, `cache_dir`, `local_files_only` ...

    Raises:
        BaseModelError: if the folder is missing, is no Stable Video Diffusion, or its files or the hub cannot be read.
    """
    name = str(directory_or_hub_id)
    if Path(name).exists():
        _check_folder(Path(name))
    elif not _looks_like_hub_id(name):
        raise BaseModelError(f"There is no folder {name}: give a base model's folder, or a hub id such as owner/name.")
    from diffusers import StableVideoDiffusionPipeline

    try:
        return StableVideoDiffusionPipeline.from_pretrained(name, dtype=torch_dtype, **kwargs)
    except Exception as error:  # whatever a damaged file or a hub gives: of safetensors, json, transformers, httpx ...
        tried = "its files are damaged or missing" if Path(name).exists() else "no such folder, and none from the hub"
        reason = re.split(r"\. | \(|\n", str(error).strip())[0].rstrip(".")  # theirs run to paragraphs
        raise BaseModelError(f"The base model {name} cannot be loaded, {tried}: {reason}.") from error


def silence_loading() -> None:
    """Loading bars and notices are many lines; a command's stderr is for its own progress and its one sentence."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _check_folder(directory: Path) -> None:
    index = directory / INDEX
    if not index.is_file():
        raise BaseModelError(f"{directory} holds no {INDEX}: give the folder of a base model saved by diffusers.")
    try:
        pipeline_class = json.loads(index.read_text())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"{index} cannot be read as a diffusers index: {error}.") from error
    if pipeline_class != PIPELINE_CLASS:
        raise BaseModelError(f"{directory} holds a {pipeline_class}: give a {PIPELINE_CLASS}.")


def _looks_like_hub_id(name: str) -> bool:
    # Owner/name; but where the owner is a folder here, a folder was meant, and the hub's answer would only puzzle.
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None and not Path(name.split("/")[0]).is_dir()
