"""A network's file, and the checksum without which it is not opened."""

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path

HUB = "hf://"


@dataclass(frozen=True)
class PinnedFile:
    """A file of a network.

    Args:
        place: a path, or "hf://OWNER/REPOSITORY/FILE" on the Hugging Face hub.
        sha256: of its content, 64 hex digits.
    """

    place: str
    sha256: str

    def checked(self, key: str) -> Path:
        """The file on this machine, fetched from the hub if need be, once its content is known to be the pinned one.

        Raises:
            ValueError: one sentence: no such file, no or another checksum, or the hub cannot be asked.
        """
        path = _from_hub(self.place) if self.place.startswith(HUB) else Path(self.place)
        if not path.is_file():
            raise ValueError(f"The file of the network {key!r}, {path}, does not exist: give the path of a file.")
        found = file_sha256(path)
        require_pinned(key, self.place, self.sha256, found)
        return path


def require_pinned(key: str, place: str, given: str, found: str) -> None:
    """Raises ValueError unless the checksum that was given is the one that was found."""
    if not given:
        raise ValueError(
            f"{place} is opened only by its checksum, which is {found}: if the file is from where you trust it to be "
            f"from, give --network-sha256 {key}={found}."
        )
    if given.lower() != found:
        raise ValueError(f"The SHA-256 of {place} is {found}, not {given}: get the file again, or give its checksum.")


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_hub(place: str) -> Path:
    owner, _, rest = place.removeprefix(HUB).partition("/")
    repository, _, file = rest.partition("/")
    if not (owner and repository and file):
        raise ValueError(f"{place!r} names no file: write {HUB}OWNER/REPOSITORY/FILE.")
    try:
        hub = importlib.import_module("huggingface_hub")
        return Path(hub.hf_hub_download(f"{owner}/{repository}", file))
    except ImportError as error:
        raise ValueError(f"{place} is on the hub, whose client is missing: pip install huggingface-hub.") from error
    except (OSError, ValueError) as error:  # the client's own errors are of both kinds
        raise ValueError(f"{place} cannot be fetched ({error}): get the file and give its path.") from error
