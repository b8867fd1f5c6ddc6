"""Versions of a git repository, each checked out in a folder of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exvideo_eval.ab.sides import BASE, HEAD

TRAILER = "Accept-worse"


@dataclass(frozen=True)
class Version:
    """A commit that is checked out. `name`: base or head; `commit`: its full hash; `folder`: its root."""

    name: str
    commit: str
    folder: Path


def repository_root(folder: Path) -> Path:
    """The root of the repository that a folder lies in.

    Raises:
        ValueError: it lies in none, or there is no git.
    """
    return Path(_git(folder, "rev-parse", "--show-toplevel"))


def commits_to_compare(repository: Path, base: str, head: str) -> tuple[str, str]:
    """Hashes of the commit where `head` left `base`, and of `head`.

    Raises:
        ValueError: one is no commit, or they share no history that is here.
    """
    one, two = (_git(repository, "rev-parse", "--verify", f"{ref}^{{commit}}") for ref in (base, head))
    try:
        return _git(repository, "merge-base", one, two), two
    except ValueError:
        raise ValueError(
            f"{base} and {head} share no commit here, and head is compared with where it left base: fetch the whole "
            "history (in actions/checkout: fetch-depth: 0)."
        ) from None


@contextmanager
def checked_out(repository: Path, base: str, head: str, folder: Path) -> Iterator[tuple[Version, Version]]:
    """Both commits in worktrees below `folder`, which are removed in the end; the repository's own is not touched.

    Raises:
        ValueError: git cannot check one out.
    """
    versions = tuple(
        Version(name, commit, folder / name / repository.name) for name, commit in ((BASE, base), (HEAD, head))
    )
    try:
        for version in versions:
            _git(repository, "worktree", "add", "--quiet", "--detach", str(version.folder), version.commit)
        yield versions[0], versions[1]
    finally:
        for version in versions:
            shutil.rmtree(version.folder, ignore_errors=True)
        _git(repository, "worktree", "prune")


def accepted_in_messages(repository: Path, base: str, head: str) -> list[str]:
    """Patterns of figures that may get worse, from lines `Accept-worse: PATTERN` that end the commits' messages."""
    wanted = f"--format=%(trailers:key={TRAILER},valueonly)"
    return [line.strip() for line in _git(repository, "log", wanted, f"{base}..{head}").splitlines() if line.strip()]


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValueError(f"git cannot be started ({error.strerror}): install it.") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(f"git {' '.join(arguments[:2])} failed in {folder}: {said}.")
    return done.stdout.strip()
