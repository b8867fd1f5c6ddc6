"""The extension of a run: new or from a file, and what of it trains and decays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_train.config import load_config
from exvideo_train.errors import UserError
from exvideo_train.mounting import checkpoint_activations, mount, trained_parameters, undecayed_of

MakeConfig = Callable[..., Path]
MakeUnet = Callable[..., Any]


@pytest.fixture
def earlier(tiny_unet: MakeUnet, tmp_path: Path) -> Path:
    """An extension of 10 frames at level attention, whose values are not those that it starts from."""
    extension = extend(tiny_unet(), ExtensionConfig(num_frames=10, level="attention"))
    with torch.no_grad():
        for parameter in extension.named_parameters().values():
            parameter += 0.5
    save_extension(extension, tmp_path / "earlier.safetensors")
    return tmp_path / "earlier.safetensors"


def test_without_a_file_it_is_new(make_config: MakeConfig, tiny_unet: MakeUnet) -> None:
    extension, fingerprint = mount(tiny_unet(), load_config(make_config()))
    assert (extension.config.num_frames, extension.config.level, fingerprint) == (10, "full", None)


def test_a_shorter_one_is_lengthened_and_known_by_its_weights(
    make_config: MakeConfig, tiny_unet: MakeUnet, earlier: Path
) -> None:
    changes = {"init_from": str(earlier), "extension.level": "attention", "extension.num_frames": 14}
    extension, fingerprint = mount(tiny_unet(), load_config(make_config(**changes)))
    assert extension.config.num_frames == 14
    assert fingerprint
    own, _ = mount(tiny_unet(), load_config(make_config(**{"extension.level": "attention"})))
    tables = [name for name in extension.named_parameters() if "frame_table" in name]
    assert tables
    for name in tables:
        learnt, new = extension.named_parameters()[name][:8], own.named_parameters()[name][:8]
        assert torch.allclose(learnt, new + 0.5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"extension.level": "full"}, "level attention, not full"),
        ({"extension.level": "attention", "extension.num_frames": 9}, "num_frames 10, not 9"),
        ({"extension.level": "attention", "extension.frame_rate": "interpolated"}, "frame_rate own, not interpolated"),
    ],
)
def test_a_file_of_another_extension_is_refused(
    make_config: MakeConfig, tiny_unet: MakeUnet, earlier: Path, changes: dict[str, Any], told: str
) -> None:
    config = load_config(make_config(init_from=str(earlier), **changes))
    with pytest.raises(UserError, match=rf"init_from: .*{told}"):
        mount(tiny_unet(), config)


def test_a_file_that_is_none_is_refused(make_config: MakeConfig, tiny_unet: MakeUnet, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="init_from: "):
        mount(tiny_unet(), load_config(make_config(init_from=str(tmp_path / "bad.safetensors"))))


def test_norms_biases_and_tables_do_not_decay(make_config: MakeConfig, tiny_unet: MakeUnet) -> None:
    network, config = tiny_unet(), load_config(make_config())
    extension, _ = mount(network, config)
    trained = trained_parameters(extension, network, config, context_tokens=1)
    undecayed = undecayed_of(trained, extension)
    assert all(trained[name].ndim > 1 for name in set(trained) - undecayed)
    assert {name for name in trained if name.endswith("bias") or "norm" in name or "frame_table" in name} <= undecayed
    assert set(trained) - undecayed


@pytest.mark.parametrize("kind", ["all", "temporal", "none"])
def test_activations_are_computed_anew_as_asked(make_config: MakeConfig, tiny_unet: MakeUnet, kind: str) -> None:
    network, config = tiny_unet(), load_config(make_config(**{"engine.gradient_checkpointing": kind}))
    extension, _ = mount(network, config)
    checkpoint_activations(network, extension, config)
    assert network.is_gradient_checkpointing == (kind == "all")
    sites = extension.sites().values()
    assert {getattr(site, "temporal_checkpointing", False) for site in sites} == {kind == "temporal"}
