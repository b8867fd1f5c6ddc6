"""The backend of temporal attention is the user's choice on a mounted model."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from exvideo_blocks import BackendError, Extension, ExtensionConfig, extend
from exvideo_blocks.kernels.choose import forget
from exvideo_blocks.kernels.temporal_attention import op, reference
from torch import Tensor

MakeBase = Callable[[str, torch.dtype], Any]
ARGUMENTS = {"encoder_hidden_states": torch.ones(1, 1, 32), "added_time_ids": torch.ones(1, 3), "return_dict": False}


def run(unet: Any) -> Tensor:
    sample = torch.randn(1, 6, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return unet(sample, torch.tensor(1.0), **ARGUMENTS)[0]


@pytest.fixture
def extension(make_base: MakeBase) -> Extension:
    return extend(make_base("svd", torch.float32), ExtensionConfig(num_frames=6))


def test_what_is_chosen_computes(extension: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(query: Tensor, key: Tensor, value: Tensor, num_frames: int, num_heads: int) -> Tensor:
        calls.append(query.shape)
        return reference.attend(query, key, value, num_frames, num_heads)

    monkeypatch.setitem(op.OPERATOR.backends, "xformers", counted)
    forget()
    before = run(extension.model)
    assert not calls
    extension.set_attention_backend("xformers")
    calls.clear()  # of the trial
    assert torch.equal(run(extension.model), before)
    assert len(calls) == len(extension.sites())
    extension.disable()
    extension.enable()
    copy = deepcopy(extension.model)
    for model in (extension.model, copy):
        calls.clear()
        assert torch.equal(run(model), before)
        assert len(calls) == len(extension.sites())
    extension.set_attention_backend("auto")
    calls.clear()
    assert torch.equal(run(extension.model), before)
    assert not calls
    forget()


@pytest.mark.parametrize("backend", ["triton", "xformers"])
def test_what_cannot_run_is_refused_and_nothing_changes(extension: Extension, backend: str) -> None:
    extension.set_attention_backend("sdpa")
    with pytest.raises(BackendError, match=rf"{backend} cannot run temporal attention on cpu, float32, up to"):
        extension.set_attention_backend(backend)
    blocks = [m for site in extension.sites().values() for m in site.modules() if hasattr(m, "attention_backend")]
    assert {block.attention_backend for block in blocks} == {"sdpa"}


@pytest.mark.parametrize("family", ["svd", "animatediff"])
def test_an_unknown_one_is_refused(family: str, make_base: MakeBase) -> None:
    extension = extend(make_base(family, torch.float32), ExtensionConfig(num_frames=6))
    with pytest.raises(ValueError, match="backend='flash' is not known: give one of auto, triton, sdpa, xformers"):
        extension.set_attention_backend("flash")


def test_a_family_whose_attention_diffusers_runs_says_so(make_base: MakeBase) -> None:
    extension = extend(make_base("animatediff", torch.float32), ExtensionConfig(num_frames=6))
    extension.set_attention_backend("auto")
    with pytest.raises(ValueError, match="attention of animatediff models is run by diffusers' own processors"):
        extension.set_attention_backend("sdpa")
