"""A cache without what some clips do not use."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.leases import NAME, Leases


@dataclass
class Amount:
    """Files, and their bytes."""

    files: int = 0
    bytes: int = 0

    def add(self, path: Path) -> None:
        """Counts a file."""
        self.files += 1
        self.bytes += path.stat().st_size


@dataclass
class Pruned:
    """Files that were removed and that were kept; `busy` videos are being encoded by another process."""

    removed: Amount = field(default_factory=Amount)
    kept: Amount = field(default_factory=Amount)
    busy: int = 0


def prune(cache: LatentCache, clips: Sequence[Clip]) -> Pruned:
    """Removes every file of a cache that is not of these clips, but from no video that another process encodes."""
    used, done = cache.files_of(clips), Pruned()
    with closing(Leases()) as leases:
        for folder in sorted((cache.folder / "files").glob("*")):
            _prune_folder(folder, used, done, leases)
    for path in [*sorted((cache.folder / "texts").glob("*.safetensors")), *cache.of_before()]:
        _keep_or_remove(path, used, done)
    return done


def _prune_folder(folder: Path, used: set[Path], done: Pruned, leases: Leases) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.name != NAME]
    if used.issuperset(files) and files:
        for path in files:
            done.kept.add(path)
    elif not leases.take(folder):
        done.busy += 1
    else:
        for path in files:
            _keep_or_remove(path, used, done)
        leases.release(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _keep_or_remove(path: Path, used: set[Path], done: Pruned) -> None:
    (done.kept if path in used else done.removed).add(path)
    if path not in used:
        path.unlink()
