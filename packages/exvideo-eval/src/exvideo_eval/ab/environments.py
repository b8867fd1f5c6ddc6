"""The Python that runs a version: the present one on the version's files, or one with the version installed."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import exvideo_eval.harness
from exvideo_eval.ab.versions import Version

HARNESS = "exvideo_ab_harness"  # the room's name in a process under test, which may have an exvideo_eval of its own


@dataclass(frozen=True)
class Environment:
    """The way a version's processes are started: interpreter, folder, environment variables, threads."""

    version: Version
    python: str
    variables: Mapping[str, str]
    threads: int


def copy_harness(folder: Path) -> Path:
    """Copies the harness below `folder` under a name of its own; the path to import it from."""
    source = Path(exvideo_eval.harness.__file__).parent
    shutil.copytree(source, folder / HARNESS, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def present(version: Version, harness: Path, paths: Sequence[str], threads: int) -> Environment:
    """This interpreter and its packages; of the version, what lies below `paths`, relative to its root.

    Args:
        paths: patterns such as packages/*/src; if empty, src if there is one, else the root.

    Raises:
        ValueError: a pattern matches no folder of the version.
    """
    patterns = paths or (["src"] if (version.folder / "src").is_dir() else ["."])
    folders: list[str] = []
    for pattern in patterns:
        found = sorted(path for path in version.folder.glob(pattern) if path.is_dir()) if pattern != "." else []
        found = [version.folder] if pattern == "." else found
        if not found:
            raise ValueError(f"--path {pattern} matches no folder at {version.name}: give one that is there.")
        folders += map(str, found)
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(harness), *folders, *([inherited] if inherited else [])])
    return Environment(version, sys.executable, _variables(threads) | {"PYTHONPATH": path}, threads)


def installed(version: Version, harness: Path, commands: Sequence[str], folder: Path, threads: int) -> Environment:
    """A virtual environment at `folder`, in which the commands have been run from the version's root.

    Raises:
        ValueError: the environment cannot be made, or a command fails; with the last line of what it said.
    """
    _run([sys.executable, "-m", "venv", str(folder)], version, os.environ)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    path = os.pathsep.join([str(binaries), os.environ.get("PATH", "")])
    variables = _variables(threads) | {"PATH": path, "VIRTUAL_ENV": str(folder)}
    variables.pop("PYTHONPATH", None)
    for command in commands:
        _run(shlex.split(command), version, variables)
    python = shutil.which("python", path=str(binaries))
    assert python is not None
    return Environment(version, python, variables | {"PYTHONPATH": str(harness)}, threads)


def _variables(threads: int) -> dict[str, str]:
    """Those of this process, with threads as asked and nothing left to chance; none of a pytest that it runs in."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return own | dict.fromkeys(names, str(threads)) | {"PYTHONHASHSEED": "0"}


def _run(command: Sequence[str], version: Version, variables: Mapping[str, str]) -> None:
    program = shutil.which(command[0], path=variables.get("PATH")) or command[0]
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=version.folder,
            env=dict(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        said = f"{command[0]} cannot be started for {version.name} ({error.strerror}): see --install."
        raise ValueError(said) from error
    if done.returncode:
        said = (done.stdout.strip().splitlines() or ["nothing"])[-1]
        raise ValueError(f"{shlex.join(command)} failed for {version.name} with {said!r}: see --install.")
