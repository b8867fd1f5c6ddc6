"""Finds an extension at a path or on the Hugging Face hub, and publishes it there."""

import re
from pathlib import Path

FILE_NAME = "extension.safetensors"

_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def locate(source: str | Path, revision: str | None = None) -> Path:
    """The extension file that a path or a hub id means; from the hub it is downloaded, or taken from its cache.

    Args:
        source: a file; a folder with `extension.safetensors` in it; or, where there is no such path, `user/name`.
        revision: branch, tag or commit on the hub; None for the main branch.

    Raises:
        ValueError: nothing is there, or the hub did not give it. The message names the id, what was tried and the way
            out; a revision of a path is refused too.
    """
    path = Path(source)
    if path.exists():
        if revision is not None:
            raise ValueError(
                f"revision={revision!r} is for the hub, and {source} is a path here, which goes first: "
                "leave the revision out, or give the id from another folder."
            )
        return _file_in(path) if path.is_dir() else path
    if not is_id(str(source)):
        raise ValueError(
            f"{source} is not a file: give the path of a .safetensors file, of a folder with {FILE_NAME} in it, "
            "or an id on the Hugging Face hub, user/name."
        )
    return _download(str(source), revision)


def upload(folder: Path, repo_id: str, *, private: bool = False, revision: str | None = None) -> str:
    """Publishes the files of a folder to a model repository of the hub, which is made if it is not there.

    Args:
        folder: its files go to the top of the repository; those of the same name are replaced.
        repo_id: `user/name`.
        private: whether a new repository is visible to its owner only.
        revision: branch to commit to, made if it is not there; None for the main branch.

    Returns:
        The repository's address.

    Raises:
        ValueError: the hub refused or could not be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id, folder_path=folder, revision=revision, commit_message="ExVideo extension",
        )  # fmt: skip
    # What is raised without a network depends on the HTTP library below the hub's client, which changes by version.
    except Exception as error:
        raise ValueError(
            f"{repo_id} could not be published on the Hugging Face hub ({_first_line(error)}): check the network, and "
            "that `hf auth login` was run with a token that may write there."
        ) from error
    return str(address)


def check_id(repo_id: str) -> None:
    """Raises ValueError if this is no id of a repository with its owner."""
    if not is_id(repo_id):
        raise ValueError(f"repo_id={repo_id!r} is no id on the Hugging Face hub: give one as user/name.")


def is_id(text: str) -> bool:
    """True for an id of a repository with its owner, `user/name`, that no file here could be named by."""
    return _ID.fullmatch(text) is not None and not text.endswith(".safetensors")


def _file_in(folder: Path) -> Path:
    file = folder / FILE_NAME
    if not file.is_file():
        raise ValueError(f"{folder} is a folder without {FILE_NAME}: give the path of an extension's file itself.")
    return file


def _download(repo_id: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo_id, FILE_NAME, revision=revision))
    except Exception as error:  # as in `upload`
        raise ValueError(_why_not(repo_id, revision, error)) from error


def _why_not(repo_id: str, revision: str | None, error: Exception) -> str:
    from huggingface_hub import errors

    tried = f"{repo_id} is no path here, and on the Hugging Face hub"
    if isinstance(error, errors.GatedRepoError):
        return f"{tried} it is gated: ask for access on its page, then log in with `hf auth login`."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{tried} there is no such repository to see: check the name, or log in with `hf auth login`."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{tried} it has no revision {revision!r}: give one of its branches, tags or commits."
    if isinstance(error, errors.LocalEntryNotFoundError):
        return (
            f"{tried} it could not be reached, nor is {FILE_NAME} in the local cache: check the network, "
            "or download the file elsewhere and give its path."
        )
    if isinstance(error, errors.EntryNotFoundError):
        return f"{tried} it has no {FILE_NAME}: give the id of an ExVideo extension, or the path of its file."
    return f"{tried} {FILE_NAME} could not be downloaded ({_first_line(error)}): try again, or give a file's path."


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
