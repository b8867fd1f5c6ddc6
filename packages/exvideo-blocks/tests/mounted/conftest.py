"""Extended models."""

from typing import Any

import pytest
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend
from torch import Tensor

from .models import Extended, MakeBase, bits, disturb


@pytest.fixture
def extended(make_base: MakeBase) -> Extended:
    """Makes an extended model whose extension has learnt something, and the bits of its base."""

    def make(family: str, level: str) -> tuple[Any, Extension, dict[str, Tensor]]:
        model = make_base(family, torch.float32)
        base = bits(model)
        extension = extend(model, ExtensionConfig(num_frames=7, level=level))
        disturb(extension)
        return model, extension, base

    return make
