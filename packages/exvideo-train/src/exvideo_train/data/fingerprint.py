"""Fingerprints of networks: what a cache and a checkpoint know weights by."""

import json
from collections.abc import Iterable
from hashlib import sha256

import torch
from exvideo_infer import Base
from torch import Tensor, nn


def fingerprint_of_encoders(base: Base) -> str:
    """sha256 over the weights of all networks that encode, and over the tokenizer of a base that reads text."""
    weights = fingerprint(*base.encoders)
    if base.tokenizer is None:
        return weights
    # Without what a call leaves behind in it.
    rules = {
        key: value
        for key, value in json.loads(base.tokenizer.backend_tokenizer.to_str()).items()
        if key not in ("truncation", "padding")
    }
    tokenizer = json.dumps([rules, base.tokenizer.model_max_length, base.tokenizer.pad_token_id], sort_keys=True)
    return sha256((weights + tokenizer).encode()).hexdigest()


def fingerprint(*networks: nn.Module) -> str:
    """sha256 over names and values of all weights."""
    return fingerprint_of(item for network in networks for item in sorted(network.state_dict().items()))


def fingerprint_of(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """sha256 over names and values of tensors, in their order."""
    digest = sha256()
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
