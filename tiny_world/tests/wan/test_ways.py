"""Ways of sampling more frames than the network was trained at."""

from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, save_extension
from exvideo_infer.beyond.windows import WindowedFamily
from torch import Tensor

from tiny_world.wan import ways
from tiny_world.wan.base import save
from tiny_world.wan.network import FAMILY, build_network
from tiny_world.wan.post_tune import LONGER
from tiny_world.wan.ways import LEVELS, LONG, WAYS, WINDOWS, load

from .test_network import conditions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of random weights."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    network = build_network()
    torch.nn.init.normal_(network.proj_out.weight, std=0.1)
    save(network, folder)
    return folder


@pytest.fixture(autouse=True)
def _random_base(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "SHIPPED", folder)
    monkeypatch.setattr(ways, "STEPS", 2)


def sampled(name: str, noise: Tensor, told: Any, extension: Path | None = None) -> Tensor:
    return WAYS[name].sample(load(WAYS[name].prepare, extension), told, noise)


def test_every_way_makes_a_clip_from_its_first_frame_and_no_two_make_the_same() -> None:
    torch.manual_seed(1)
    told, noise = conditions().rows(slice(1)), torch.randn(1, LONG, 8, 8, 8)
    first = told.with_given(noise)[:, 0]
    made = {name: sampled(name, noise, told) for name, way in WAYS.items() if not way.is_trained and name != "own"}
    for name, clip in made.items():
        assert clip.shape == noise.shape, name
        assert torch.equal(clip[:, 0], first), name
        assert clip.isfinite().all(), name
    flat = torch.stack([clip.flatten() for clip in made.values()])
    distances = torch.pdist(flat)
    assert distances.min() > 0.1


def test_a_trained_way_samples_with_its_extension(tmp_path: Path) -> None:
    told, noise = conditions().rows(slice(1)), torch.randn(1, LONG, 8, 8, 8)
    base = load(WAYS["direct"].prepare)
    extension = extend(base.network, ExtensionConfig(LONG, "lora", "continued", lora_rank=2))
    path = tmp_path / "fresh.safetensors"
    save_extension(extension, path)
    assert torch.equal(sampled("lora", noise, told, path), sampled("direct", noise, told))
    for name, parameter in extension.named_parameters().items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    save_extension(extension, tmp_path / "trained.safetensors")
    changed = sampled("lora", noise, told, tmp_path / "trained.safetensors")
    assert not torch.allclose(changed, sampled("direct", noise, told), atol=1e-3)
    assert {*LEVELS, LONGER} == {name for name, way in WAYS.items() if way.is_trained}


def test_blended_windows_but_the_first_have_no_first_frame_and_many_of_an_answer_are_that_answer() -> None:
    family, told = WindowedFamily(FAMILY, WINDOWS), conditions()
    times: list[Tensor] = []

    def constant(hidden_states: Tensor, timestep: Tensor, **_: Any) -> tuple[Tensor]:
        times.append(timestep)
        return (torch.full_like(hidden_states, 3.0),)

    answer = family.call(constant, torch.randn(2, 21, 8, 8, 8), torch.tensor(5.0), told)
    torch.testing.assert_close(answer, torch.full((2, 21, 8, 8, 8), 3.0))
    assert [bool((time == 0).any()) for time in times] == [True, False, False, False, False]


def test_chained_windows_begin_where_the_one_before_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    told, noise = conditions(), torch.randn(2, 20, 8, 8, 8)
    begun: list[Tensor] = []

    def one_higher(base: Any, given: Any, part: Tensor) -> Tensor:
        begun.append(given.first_frame)
        return given.first_frame[:, None] + torch.arange(part.shape[1]).view(1, -1, 1, 1, 1)

    monkeypatch.setattr(ways, "whole", one_higher)
    made = ways.chained(None, told, noise)  # type: ignore[arg-type]
    assert len(begun) == 3  # of 8, 8 and 6 frames
    expected = told.first_frame[:, None] + torch.arange(20).view(1, -1, 1, 1, 1)  # type: ignore[index]
    torch.testing.assert_close(made, expected)
