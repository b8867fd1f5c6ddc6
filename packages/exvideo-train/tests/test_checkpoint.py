"""The run that a checkpoint belongs to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_train.checkpoint import FORMAT_VERSION, identity_of, read_state_json
from exvideo_train.config import load_config
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]


def identity(path: Path) -> dict[str, Any]:
    return identity_of(load_config(path), SigmaObjective(), base="weights", data="clips")


def write_state(checkpoint: Path, identity: dict[str, Any]) -> None:
    content = {"format_version": FORMAT_VERSION, "step": 3, "optimizer_step": 3, "identity": identity}
    checkpoint.mkdir()
    (checkpoint / "state.json").write_text(json.dumps(content))


def test_one_of_before_the_rank_was_a_key_is_resumed(make_config: MakeConfig, tmp_path: Path) -> None:
    now = identity(make_config())
    before = now | {"extension": {"num_frames": 10, "level": "full", "positions": "reflected"}}
    write_state(tmp_path / "checkpoint", before)
    state, optimizer_step = read_state_json(tmp_path / "checkpoint", now)
    assert (state.step, optimizer_step) == (3, 3)


def test_one_of_before_dropout_was_a_key_is_resumed_without_it_alone(make_config: MakeConfig, tmp_path: Path) -> None:
    old = identity(make_config())
    assert "conditioning_dropout" not in old
    write_state(tmp_path / "checkpoint", old)
    assert read_state_json(tmp_path / "checkpoint", identity(make_config(conditioning_dropout=0.0)))[0].step == 3
    with pytest.raises(UserError, match=r"another run .*conditioning_dropout"):
        read_state_json(tmp_path / "checkpoint", identity(make_config(conditioning_dropout=0.5)))


def test_another_rank_at_level_lora_is_another_run(make_config: MakeConfig, tmp_path: Path) -> None:
    lora = {"extension.level": "lora"}
    write_state(tmp_path / "checkpoint", identity(make_config(**lora)))
    with pytest.raises(UserError, match=r"another run \(extension\.lora_rank was 16, is 8\)"):
        read_state_json(tmp_path / "checkpoint", identity(make_config(**lora, **{"extension.lora_rank": 8})))


def test_one_of_before_the_loss_could_be_chosen_is_resumed_with_the_published_one_alone(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    now = identity(make_config())
    assert now["noise"] == {"distribution": "karras", "mean": 0.7, "std": 1.6}  # as it was written before
    write_state(tmp_path / "checkpoint", {key: value for key, value in now.items() if key != "loss"})
    assert read_state_json(tmp_path / "checkpoint", now)[0].step == 3
    other = identity_of(load_config(make_config()), SigmaObjective(weighting="edm"), base="weights", data="clips")
    with pytest.raises(UserError, match=r"another run \(loss\.weighting was 'published', is 'edm'\)"):
        read_state_json(tmp_path / "checkpoint", other)
