"""Extensions as people have them: a file, a run's folder, a hub's repository, or what the authors published."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import rmtree
from typing import Any

from exvideo_blocks import (
    Extension,
    ExtensionConfig,
    extend,
    load_extension,
    load_published,
    read_extension_header,
    restore,
    save_extension,
)

from exvideo_infer import embedded

EMBEDDED = "embedded"  # the one that is shipped
FILE = "extension.safetensors"
SUBFOLDER = "extension"  # of a saved pipeline
CHECKPOINTS = "checkpoints"  # of a run's folder
PUBLISHED_FILE = "model.fp16.safetensors"  # of the authors' repository
PICKLES = (".pth", ".pt", ".ckpt", ".bin")
_PUBLISHED_TABLE = ".positional_embedding.embeddings"  # of each site of the authors' checkpoint: (frames, channels)


def mount_extension(unet: Any, source: str | Path, revision: str | None = None) -> Extension:
    """Mounts an extension on a base's network, from wherever people have one.

    Args:
        unet: the network.
        source, revision: as for `ExVideoPipeline.load_extension`: a file, a run's folder, a hub id, what the authors
            published, or "embedded", the one of 40 frames that ships for the embedded model.

    Raises:
        ValueError: as there; or the UNet is compiled.
    """
    if hasattr(unet, "_orig_mod"):
        raise ValueError(
            "The UNet is compiled, and an extension would not be in what was compiled: load the extension first, and "
            "compile after; exvideo_blocks.compile_blocks(pipe) compiles block by block."
        )
    path = find_extension(source)
    if path is None or revision is not None:
        try:
            return load_extension(unet, source, revision=revision)
        except ValueError as error:
            path = _published_on_hub(str(source), revision, error)
    frames = _published_frames(path)
    if frames is None:
        return load_extension(unet, path)
    extension = extend(unet, ExtensionConfig(num_frames=frames))
    try:
        load_published(extension, path)
    except BaseException:
        restore(unet)
        raise
    return extension


def check_extension(source: str | Path) -> None:
    """Looks at an extension's file before anything slow is loaded; raises ValueError as `mount_extension`."""
    path = find_extension(source)
    if path is not None and _published_frames(path) is None:
        read_extension_header(path)


def find_extension(source: str | Path) -> Path | None:
    """The file that a path here means; None where there is no such path, and it can be a hub's id alone.

    Raises:
        ValueError: it is a pickle, or a folder that holds no extension.
    """
    if str(source) == EMBEDDED:
        return embedded.extension()
    path = Path(source)
    if path.suffix.lower() in PICKLES:
        raise ValueError(
            f"{source} is a pickle, which can run any code when it is read: convert it once by "
            "exvideo_blocks.load_published(extension, path), which reads tensors alone, and "
            "exvideo_blocks.save_extension(extension, 'extension.safetensors')."
        )
    if path.is_dir():
        return _in_folder(path)
    return path if path.exists() else None


def _in_folder(folder: Path) -> Path:
    """The extension of a folder: its own, or of its newest checkpoint that is whole."""
    if (folder / FILE).is_file():
        return folder / FILE
    steps = folder if folder.name == CHECKPOINTS else folder / CHECKPOINTS
    whole = sorted(path for path in steps.glob(f"step-*/{FILE}") if (path.parent / "state.json").is_file())
    if whole:
        return whole[-1]
    raise ValueError(
        f"{folder} is a folder without {FILE}, and without a checkpoint of exvideo-train in {CHECKPOINTS}/: give the "
        "path of an extension's file itself."
    )


def _published_frames(path: Path) -> int | None:
    """The length of the authors' checkpoint; None for a file of ours, and for any other."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            table = next((name for name in file.keys() if name.endswith(_PUBLISHED_TABLE)), None)  # noqa: SIM118
            return None if table is None else int(file.get_slice(table).get_shape()[-2])
    except (OSError, SafetensorError):
        return None  # whoever reads it says what is wrong


def _published_on_hub(name: str, revision: str | None, error: ValueError) -> Path:
    """The authors' file in a repository that has it in place of an extension of ours; else raises the error."""
    from huggingface_hub import errors, hf_hub_download

    cause = error.__cause__
    if not isinstance(cause, errors.EntryNotFoundError) or isinstance(cause, errors.LocalEntryNotFoundError):
        raise error
    try:
        return Path(hf_hub_download(name, PUBLISHED_FILE, revision=revision))
    except Exception:  # the sentence on the extension that is lacking is the one to be told
        raise error from cause


@contextmanager
def save_mounted(extension: Extension | None, folder: Path) -> Iterator[None]:
    """A block in which a model is its base, so that it can be saved; its extension lies in the folder then.

    Args:
        folder: of the pipeline that is saved. Without an extension, one of an earlier saving is removed from it.
    """
    if extension is None:
        rmtree(folder / SUBFOLDER, ignore_errors=True)
    else:
        save_extension(extension, folder / SUBFOLDER / FILE)
    with nullcontext() if extension is None else extension.disabled():
        yield
