"""Writing an extension: one file, a folder with its model card, or a repository of the Hugging Face hub."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from exvideo_blocks.extension import Extension
from exvideo_blocks.files.card import write_model_card
from exvideo_blocks.files.header import header_of
from exvideo_blocks.files.hub import FILE_NAME, check_id, upload
from exvideo_blocks.files.tensors import values_for
from exvideo_blocks.files.weights import write_safetensors


def save_extension(
    extension: Extension,
    path: str | Path,
    *,
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Writes an extension as one safetensors file, atomically.

    Args:
        extension: mounted or disabled.
        path: file to write; folders on the way are made.
        tensors: values to write in place of some of the model's own, by name: an EMA, say.
        dtype: torch.float32, torch.bfloat16 or torch.float16 in the file, but for offsets of angles, which stay in
            fp32; None keeps each tensor's own.

    Raises:
        ValueError: `tensors` has a name or a shape that this extension does not, a value is not finite, be it because
            `dtype` cannot hold it, the model is on the meta device, the path is a folder, or as
            `Extension.check_whole`. Nothing is written then.
    """
    extension.check_whole()
    values = values_for(path, extension.named_parameters(), tensors, dtype)
    write_safetensors(path, values, header_of(extension).metadata())


def save_pretrained(
    extension: Extension,
    folder: str | Path,
    *,
    repo_id: str | None = None,
    base_model: str | None = None,
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Writes `extension.safetensors` and a model card, README.md, to a folder, in the form that the hub shows.

    Args:
        extension, tensors, dtype: as in `save_extension`.
        folder: made if it is not there. `load_extension(model, folder)` reads it.
        repo_id: `user/name` on the hub, for the card's title and its lines on loading.
        base_model: path or hub id of the base, for the card; None takes the one that the model was loaded from, if that
            is a hub id.

    Raises:
        ValueError: as `save_extension`.
    """
    file = Path(folder) / FILE_NAME
    save_extension(extension, file, tensors=tensors, dtype=dtype)
    write_model_card(extension, file, repo_id=repo_id, base_model=base_model)


def push_to_hub(
    extension: Extension,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    base_model: str | None = None,
    tensors: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> str:
    """Publishes an extension and its model card as a repository of the Hugging Face hub.

    Args:
        extension, base_model, tensors, dtype: as in `save_pretrained`.
        repo_id: `user/name`; made if it is not there.
        private: a new repository is visible to its owner only.
        revision: branch to commit to; None for the main one.

    Returns:
        The repository's address.

    Raises:
        ValueError: as `save_extension`; or the id is none, or the hub refused or could not be reached.
    """
    check_id(repo_id)
    with TemporaryDirectory() as folder:
        save_pretrained(extension, folder, repo_id=repo_id, base_model=base_model, tensors=tensors, dtype=dtype)
        return upload(Path(folder), repo_id, private=private, revision=revision)
