"""Checkpoints: whole or passed over, dealt over processes, kept by rule, and of one run alone."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import read_safetensors, write_safetensors
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_train.atomic import sweep
from exvideo_train.checkpoints.checkpoint import FORMAT_VERSION, Checkpoint
from exvideo_train.checkpoints.identity import check_continues, identity_of
from exvideo_train.checkpoints.writer import deal
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]


def identity(path: Path) -> dict[str, Any]:
    return identity_of(load_config(path), SigmaObjective(), base="weights", data="clips")


def stored(identity: dict[str, Any], step: int = 3, **more: Any) -> Checkpoint:
    index = {"format_version": FORMAT_VERSION, "step": step, "optimizer_step": step, "identity": identity}
    return Checkpoint(Path("step-3"), index | more)


# --- the run that a checkpoint belongs to --------------------------------------------------------------------------


def test_one_of_before_the_rank_was_a_key_is_resumed(make_config: MakeConfig) -> None:
    now = identity(make_config())
    before = now | {"extension": {"num_frames": 10, "level": "full", "positions": "reflected", "base_frames": None}}
    assert check_continues(stored(before), now, {}, ()) == {}


def test_one_of_before_dropout_was_a_key_is_resumed_without_it_alone(make_config: MakeConfig) -> None:
    before = {key: value for key, value in identity(make_config()).items() if key != "conditioning_dropout"}
    assert check_continues(stored(before), identity(make_config(conditioning_dropout=0.0)), {}, ()) == {}
    with pytest.raises(UserError, match=r"another run .*conditioning_dropout was 0.0, is 0.5"):
        check_continues(stored(before), identity(make_config(conditioning_dropout=0.5)), {}, ())


def test_a_rank_matters_at_level_lora_alone(make_config: MakeConfig) -> None:
    full = stored(identity(make_config()))
    assert check_continues(full, identity(make_config(**{"extension.lora_rank": 8})), {}, ()) == {}
    lora = {"extension.level": "lora"}
    with pytest.raises(UserError, match=r"another run \(extension\.lora_rank was 16, is 8\)"):
        check_continues(
            stored(identity(make_config(**lora))), identity(make_config(**lora, **{"extension.lora_rank": 8})), {}, ()
        )


def test_one_of_before_the_loss_could_be_chosen_is_resumed_with_the_published_one_alone(
    make_config: MakeConfig,
) -> None:
    now = identity(make_config())
    before = stored({key: value for key, value in now.items() if key != "loss"})
    assert check_continues(before, now, {}, ()) == {}
    other = identity_of(load_config(make_config()), SigmaObjective(weighting="edm"), base="weights", data="clips")
    with pytest.raises(UserError, match=r"another run \(loss\.weighting was 'published', is 'edm'\)"):
        check_continues(before, other, {}, ())


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ({"steps": 4}, {"steps": 9}, True),  # at a constant rate there is only more of it
        ({"warmup_steps": 2}, {"warmup_steps": 3}, True),  # at step 3 both are over
        ({"warmup_steps": 2}, {"warmup_steps": 5}, False),
        ({"learning_rate_schedule": "linear"}, {"learning_rate_schedule": "linear", "steps": 9}, False),
        ({"learning_rate": 1e-3}, {"learning_rate": 2e-3}, False),
        ({"weight_decay": 0.1}, {"weight_decay": 0.2}, False),
        ({"micro_batch_size": 1}, {"micro_batch_size": 2}, True),
    ],
)
def test_settings_of_the_optimizer_matter_by_what_they_change(
    make_config: MakeConfig, before: dict[str, Any], now: dict[str, Any], same: bool
) -> None:
    def of(values: dict[str, Any]) -> dict[str, Any]:
        return identity(make_config(**{f"optimizer.{key}": value for key, value in values.items()}))

    if same:
        assert check_continues(stored(of(before)), of(now), {}, ()) == {}
    else:
        with pytest.raises(UserError, match=r"another run .*or go on with it: --change optimizer\."):
            check_continues(stored(of(before)), of(now), {}, ())


def test_changes_that_were_asked_for_are_let_through_and_told(make_config: MakeConfig) -> None:
    now = identity(make_config(seed=5, **{"optimizer.learning_rate": 2e-3}))
    before = stored(identity(make_config()))
    with pytest.raises(UserError, match=r"\(seed was 0, is 5\)"):
        check_continues(before, now, {}, ["optimizer.learning_rate"])
    changed = check_continues(before, now, {}, ["optimizer.learning_rate", "seed"])
    assert changed == {"seed": [0, 5], "optimizer.learning_rate": [1e-3, 2e-3]}


def test_clips_that_came_or_went_are_named(make_config: MakeConfig) -> None:
    old = identity(make_config())
    before = stored(old, clips={"a.mp4@0": "1", "b.mp4@0": "2"})
    now = old | {"data": old["data"] | {"content": "others"}}
    for clips, told in (
        ({"a.mp4@0": "1", "b.mp4@0": "2", "c.mp4@8": "3"}, "one clip was added: c.mp4@8"),
        ({"b.mp4@0": "2"}, "one clip was removed: a.mp4@0"),
        ({"a.mp4@0": "9", "b.mp4@0": "2"}, "one clip was changed: a.mp4@0"),
    ):
        with pytest.raises(UserError, match=rf"another run \({told}\)"):
            check_continues(before, now, clips, ())


def test_what_may_not_change_is_refused_with_what_may(
    make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(make_config()), "--change", "extension.num_frames=12"]) == 2
    assert "--change extension.num_frames=12: give key=value, with a key that may change" in capsys.readouterr().err
    assert main(["--config", str(make_config()), "--change", "optimizer.learning_rate=fast"]) == 2
    assert "optimizer.learning_rate: 'fast' is refused" in capsys.readouterr().err


# --- the files -----------------------------------------------------------------------------------------------------


def test_tensors_are_dealt_evenly_and_each_once() -> None:
    shapes = {str(number): torch.Size([number]) for number in range(1, 100)}
    hands = deal(shapes, 3)
    assert sorted(name for hand in hands for name in hand) == sorted(shapes)
    loads = [sum(int(name) for name in hand) for hand in hands]
    assert max(loads) - min(loads) < 100


@pytest.mark.parametrize(
    "damage", ["cut", *(pytest.param(how, marks=pytest.mark.long) for how in ("other bytes", "no part", "no index"))]
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    make_config: MakeConfig, tmp_path: Path, runs: Any, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = make_config()
    assert main(["--config", str(path)]) == 0
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    newest = tmp_path / "run" / "checkpoints" / "step-00000004"
    part = newest / "part-00000.safetensors"
    content = bytearray(part.read_bytes())
    if damage == "cut":
        part.write_bytes(content[:-1])
    elif damage == "other bytes":
        content[-5] ^= 1
        part.write_bytes(content)
    elif damage == "no part":
        part.unlink()
    else:
        (newest / "state.json").write_text("{")
    (tmp_path / "run" / "checkpoints" / ".step-00000006.tmp").mkdir()  # left by a write that was killed
    capsys.readouterr()
    assert main(["--config", str(path)]) == 0
    said = capsys.readouterr().err
    assert f"{newest} is damaged (" in said
    assert "Resumed from" in said
    assert "step-00000002" in said
    assert not list((tmp_path / "run").rglob(".*.tmp"))
    runs.assert_same_end("whole", "run", 4)


def test_what_killed_writes_left_is_swept_and_what_others_write_just_now_is_not(tmp_path: Path) -> None:
    old, new, kept = tmp_path / "a" / ".old.tmp", tmp_path / ".new.tmp", tmp_path / "a" / "kept.tmp"
    old.mkdir(parents=True)
    (old / ".inner.tmp").touch()
    new.touch()
    kept.touch()
    os.utime(old, (0, 0))
    sweep(tmp_path, older_than=3600)
    assert not old.exists()
    assert new.exists()
    sweep(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_with_no_checkpoint_whole_nothing_is_begun_anew(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config()
    assert main(["--config", str(path)]) == 0
    for state in (tmp_path / "run" / "checkpoints").glob("*/state.json"):
        state.unlink()
    assert main(["--config", str(path)]) == 2
    assert "None of the 2 checkpoints in" in capsys.readouterr().err


def test_an_extension_is_in_each_and_those_at_multiples_stay(make_config: MakeConfig, tmp_path: Path) -> None:
    changes = {"checkpoint.every": 1, "checkpoint.keep": 1, "checkpoint.keep_every": 3}
    assert main(["--config", str(make_config(**changes, **{"optimizer.steps": 5, "optimizer.ema_decay": 0.5}))]) == 0
    folder = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000003", "step-00000005"]
    last = folder / "step-00000005"
    tensors, _ = read_safetensors(last / "part-00000.safetensors")
    for name, kind in (("extension.safetensors", "ema"), ("extension-raw.safetensors", "master")):
        exported, _ = read_safetensors(last / name)
        own = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith(f"{kind}/")}
        assert all(torch.equal(exported[key], value) for key, value in own.items())
    assert (last / "extension.safetensors").read_bytes() == (tmp_path / "run" / "extension.safetensors").read_bytes()


@pytest.mark.long
def test_one_of_format_1_is_resumed(make_config: MakeConfig, tmp_path: Path, runs: Any) -> None:
    """A file a kind, no sums, and settings that were left out of the identity: as it was written before."""
    assert main(["--config", str(make_config("whole"))]) == 0
    assert main(["--config", str(make_config("old", **{"optimizer.steps": 2}))]) == 0
    checkpoint = tmp_path / "old" / "checkpoints" / "step-00000002"
    tensors = runs.tensors("old", 2)
    for kind in ("master", "exp_avg", "exp_avg_sq", "ema"):
        own = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith(f"{kind}/")}
        write_safetensors(checkpoint / f"{kind}.safetensors", own, {})
    for path in (*checkpoint.glob("part-*"), *checkpoint.glob("extension*")):
        path.unlink()
    index = json.loads((checkpoint / "state.json").read_text())
    index["identity"]["optimizer"].pop("steps")
    index["identity"].pop("conditioning_dropout")
    index["identity"]["extension"].pop("lora_rank")
    old = {key: index[key] for key in ("step", "optimizer_step", "identity")} | {"format_version": 1}
    (checkpoint / "state.json").write_text(json.dumps(old))
    assert main(["--config", str(make_config("old"))]) == 0
    runs.assert_same_end("whole", "old", 4)
