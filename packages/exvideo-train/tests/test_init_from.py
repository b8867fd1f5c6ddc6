"""A run that starts from the extension of another."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import export_published, load_extension, read_extension_header, read_safetensors
from exvideo_infer import embedded, load_base
from exvideo_train.cli import main
from exvideo_train.config import TrainConfig, load_config
from exvideo_train.mounting import mount

MakeConfig = Callable[..., Path]
STILL = {"optimizer.learning_rate": 1e-12, "optimizer.weight_decay": 0.0, "optimizer.steps": 1}


@pytest.fixture(scope="module")
def first(make_module_config: MakeConfig) -> Path:
    """The folder of a run of four steps, which tests read alone."""
    path = make_module_config("first")
    run(path)
    return path.with_suffix("")


def run(path: Path) -> dict[str, torch.Tensor]:
    assert main(["--config", str(path)]) == 0
    return read_safetensors(path.with_suffix("") / "extension.safetensors")[0]


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["--config", str(path)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("file", ["extension.safetensors", "checkpoints/step-00000004/extension-raw.safetensors"])
def test_a_run_starts_where_another_has_ended(
    make_config: MakeConfig, first: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    end = read_safetensors(first / file)[0]
    second = make_config("second", init_from=str(first / file), **STILL)
    start = run(second)
    assert start.keys() == end.keys()
    torch.testing.assert_close(start, end, rtol=0, atol=1e-8)
    message = refusal(make_config("second", **(STILL | {"optimizer.steps": 2})), capsys)
    assert "initial was '" in message
    assert "belongs to another run" in message


def test_a_longer_run_starts_from_a_shorter_one(make_config: MakeConfig, first: Path) -> None:
    end = read_safetensors(first / "extension.safetensors")[0]
    changes: dict[str, Any] = {"extension.num_frames": 14, "init_from": str(first / "extension.safetensors")}
    start = run(make_config("long", **changes, **STILL))
    assert start.keys() == end.keys()
    grown = {name for name, value in start.items() if value.shape != end[name].shape}
    assert grown
    for name, value in start.items():
        known = value[: len(end[name])] if name in grown else value
        torch.testing.assert_close(known, end[name], rtol=0, atol=1e-8)


def test_what_does_not_fit_is_refused(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(make_config("first", **STILL))
    file = tmp_path / "first" / "extension.safetensors"
    for changes, told in (
        ({"extension.level": "temporal"}, "is of level full, not temporal: set extension to what the file has"),
        ({"extension.num_frames": 9}, "is of num_frames 10, not 9: set extension to what the file has"),
    ):
        assert told in refusal(make_config("second", init_from=str(file), **changes), capsys)
    assert "init_from: " in refusal(make_config("second", init_from=str(tmp_path / "absent.safetensors")), capsys)
    file.write_bytes(file.read_bytes()[:1000])
    assert "init_from: " in refusal(make_config("second", init_from=str(file)), capsys)


def test_a_start_is_found_wherever_the_sampler_finds_one(make_config: MakeConfig, first: Path) -> None:
    end = read_safetensors(first / "extension.safetensors")[0]
    start = run(make_config("second", init_from=str(first), **STILL))  # the folder of a run
    torch.testing.assert_close(start, end, rtol=0, atol=1e-8)


def test_what_the_authors_published_is_a_start(make_config: MakeConfig, first: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.fp16.safetensors"
    end = read_safetensors(first / "extension.safetensors")[0]
    network = load_base(load_config(make_config()).base).network
    export_published(load_extension(network, first / "extension.safetensors"), file)
    start = run(make_config("second", init_from=str(file), **STILL))
    torch.testing.assert_close(start, end, rtol=1e-3, atol=1e-4)


def test_the_shipped_extension_is_a_start() -> None:
    shipped = embedded.extension()
    config = TrainConfig.model_validate({
        "base": "embedded", "init_from": "embedded", "output": "run", "data": {"videos": "videos", "size": [64, 64]},
        "extension": asdict(read_extension_header(shipped).config), "optimizer": {"steps": 1},
    })  # fmt: skip
    mounted, _ = mount(load_base("embedded").network, config)
    tensors = read_safetensors(shipped)[0]
    assert all(torch.equal(value.half(), tensors[name]) for name, value in mounted.named_parameters().items())
