"""A published network, or one that is named to stand in for it, loaded from pinned files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor, nn

from exvideo_eval.features.published.checkpoints import load_checkpoint
from exvideo_eval.features.published.clip import ClipModel
from exvideo_eval.features.published.networks import CLIP_MODEL, NETWORKS, TORCHSCRIPT, PublishedNetwork
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocol import protocol_hash

_KNOWN_WITHIN = 2.0


class Forward(Interface):
    """A batch of inputs and keyword arguments to (batch, numbers)."""

    def __call__(self, batch: Tensor, /, **call: bool) -> Tensor: ...


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that is ready, and the reason why it may give a metric its own name.

    Args:
        name: as it stands in a result.
        is_own: it is the protocol's own network; else a result names it, and no published metric.
        identity: how that is known, one clause.
        sha256: of its file; of all files' checksums where there are several.
        outputs: numbers a sample that it may give; any where there are none.
    """

    name: str
    is_own: bool
    identity: str
    sha256: str
    outputs: tuple[int, ...]
    forward: Forward
    clip: ClipModel | None = None

    def __call__(self, batch: Tensor, **call: bool) -> Tensor:
        """Features float64 (batch, numbers) on the CPU.

        Raises:
            ValueError: the answer has another shape.
        """
        with torch.inference_mode():
            answer = self.forward(batch, **call)
        fits = answer.ndim == 2 and len(answer) == len(batch)
        if not fits or (self.outputs and answer.shape[1] not in self.outputs):
            numbers = " or ".join(map(str, self.outputs)) or "as many"
            raise ValueError(
                f"{self.name} answers {len(batch)} samples by {tuple(answer.shape)}, where its protocol needs "
                f"{numbers} numbers for each: give the network that the protocol is defined on."
            )
        return answer.double().cpu()


def load_network(
    key: str,
    files: Mapping[str, PinnedFile],
    surrogates: Mapping[str, str] | None = None,
    device: torch.device | str = "cpu",
) -> LoadedNetwork:
    """The network of a key, from the files given by key.

    A surrogate is TorchScript that is called as the protocol calls its own network; it is named by whoever gives it.

    Raises:
        ValueError: one sentence: a file is not given, not there, not the pinned one, or not of that network.
    """
    published, device = NETWORKS[key], torch.device(device)
    missing = [file for file, _ in published.files if file not in files]
    surrogate = (surrogates or {}).get(key)
    if missing and not (surrogate and key in files):
        raise ValueError(_how_to_give(published, missing))
    if surrogate is not None:
        path = files[key].checked(key)
        script = _torchscript(str(path), device)
        return LoadedNetwork(surrogate, False, "named by the user", files[key].sha256.lower(), (), script)
    if key == CLIP_MODEL:
        return _clip(published, files[key], device)
    paths = {file: files[file].checked(file) for file, _ in published.files}
    digests = [files[file].sha256.lower() for file in paths]
    sha256 = digests[0] if len(digests) == 1 else protocol_hash({"files": digests})
    if published.kind == TORCHSCRIPT:
        forward: Forward = _torchscript(str(paths[key]), device)
    else:
        forward = _Module(load_checkpoint(key, paths).to(device), device)
    identity = "its file's checksum was given by the user"
    if published.known_distance is not None:
        identity = _known_answer(published, str(paths[key]), forward)
    return LoadedNetwork(published.name, True, identity, sha256, published.outputs, forward)


class _Module:
    """A module in evaluation mode whose inputs are taken to its device."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module, self.device = module, device

    def __call__(self, batch: Tensor, /, **call: bool) -> Tensor:
        answer: Tensor = self.module(batch.to(self.device), **call)
        return answer


def _torchscript(path: str, device: torch.device) -> _Module:
    try:
        module: nn.Module = torch.jit.load(path, map_location=device)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is no TorchScript: {str(error).splitlines()[0]}.") from error
    return _Module(module.eval(), device)


def _clip(published: PublishedNetwork, file: PinnedFile, device: torch.device) -> LoadedNetwork:
    model = ClipModel(file.place, file.sha256, device)
    name, identity = f"{published.name} {model.name}", "the checksum of its weights was given by the user"
    return LoadedNetwork(name, True, identity, model.sha256, (), lambda batch, /, **_: model.frames(batch), model)


def known_clips() -> Tensor:
    """A black and a white clip, float32 (2, 3, 30, 224, 224) in [-1, 1], as common-metrics preprocesses its example."""
    return torch.stack([torch.full((3, 30, 224, 224), level) for level in (-1.0, 1.0)])


def _known_answer(published: PublishedNetwork, path: str, forward: Forward) -> str:
    """The published distance of black and white clips is that of this file: a clause that says so."""
    known = published.known_distance or 0.0
    try:
        with torch.inference_mode():
            calls = [forward(clip[None], rescale=False, resize=False, return_features=True) for clip in known_clips()]
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be called as {published.name}: {str(error).splitlines()[-1]}.") from error
    found = float((calls[0] - calls[1]).double().square().sum())
    if abs(found - known) > _KNOWN_WITHIN:
        raise ValueError(
            f"{path} is not {published.name}: it answers black and white clips {found:.2f} apart, and that network "
            f"{known}: give that network, or name this one by --surrogate KEY=NAME."
        )
    return f"black and white clips are {found:.2f} apart, as published ({known})"


def _how_to_give(published: PublishedNetwork, missing: Sequence[str]) -> str:
    files = dict(published.files)
    ways = " ".join(f"--network {key}={files[key]} --network-sha256 {key}=HEX" for key in missing)
    return f"{published.name} is not given: get it from {published.source}, and give {ways}."
