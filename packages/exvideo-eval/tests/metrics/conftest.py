"""Lets peers be imported that want torchvision at their door, for code that none of our comparisons runs."""

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

import pytest


class _Hollow(MetaPathFinder, Loader):
    """Any module of torchvision, with nothing in it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return MagicMock(__path__=[], __spec__=spec, __name__=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@pytest.fixture(scope="module")
def no_torchvision() -> Iterator[None]:
    """torch-fidelity and torchmetrics, whose features and networks we do not use, without torchvision."""
    if find_spec("transformers") is not None:
        from transformers.utils import is_torchvision_available

        is_torchvision_available()  # it remembers its first answer for good: let that be the true one
    hollow = _Hollow()
    sys.meta_path.append(hollow)  # behind the real one, where it is installed
    yield
    sys.meta_path.remove(hollow)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        if isinstance(sys.modules[name], MagicMock):
            del sys.modules[name]
