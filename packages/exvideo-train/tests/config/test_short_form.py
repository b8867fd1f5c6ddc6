import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_infer import ExVideoPipeline, load_base
from exvideo_train.bases import open_base
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.errors import UserError
from exvideo_train.processes import check_backend

MakeConfig = Callable[..., Path]

# The configuration that this project was begun with, verbatim.
FIRST = """\
model:
  hidden_dim: 512
  num_frames: 256
  num_layers: 16
  dropout: 0.1

training:
  learning_rate: 1e-4
  weight_decay: 0.01
  num_epochs: 100
  batch_size: 16

data:
  train_path: "/path/to/train/data"
  val_path: "/path/to/val/data"

distributed:
  enabled: true
  backend: "nccl"

deepspeed:
  config_path: "config/deepspeed_config.json"
"""


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The YAML in a project of its own, with DeepSpeed's JSON where it says."""
    (tmp_path / "config").mkdir()
    deepspeed = {
        "train_micro_batch_size_per_gpu": 2,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": 1, "overlap_comm": True},
    }
    (tmp_path / "config" / "deepspeed_config.json").write_text(json.dumps(deepspeed))
    path = tmp_path / "first.yaml"
    path.write_text(FIRST)
    return path


def test_the_first_configuration_means_what_it_says(first: Path) -> None:
    config = load_config(first)
    assert config.base is None
    assert config.is_from_scratch
    assert config.model is not None
    assert (config.model.hidden_dim, config.model.num_layers, config.model.dropout) == (512, 16, 0.1)
    assert config.extension.num_frames == 256
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay, optimizer.batch_size) == (1e-4, 0.01, 16)
    assert (optimizer.micro_batch_size, config.engine.zero_stage, config.engine.precision) == (2, 1, "bf16")
    assert config.deepspeed.zero_optimization == {"overlap_comm": True}
    assert str(config.data.videos) == "/path/to/train/data"
    assert config.validation is not None
    assert str(config.validation.videos) == "/path/to/val/data"
    assert (config.distributed.enabled, config.distributed.backend) == (True, "nccl")
    assert str(config.output) == "out/first"
    assert optimizer.for_clips(33).steps == 207  # 3300 clips in batches of 16, the last one from one more pass


def test_a_setting_can_be_given_by_either_name(first: Path) -> None:
    config = load_config(first, settings=["training.learning_rate=3e-5", "optimizer.batch_size=4", "base=folder"])
    assert (config.optimizer.learning_rate, config.optimizer.batch_size, config.base) == (3e-5, 4, "folder")
    first.write_text(FIRST + "optimizer: {batch_size: 4}\n")
    with pytest.raises(UserError, match=r"training\.batch_size and optimizer\.batch_size are names of one"):
        load_config(first)
    first.write_text(FIRST.replace("batch_size: 16", "batch_size: many"))
    with pytest.raises(UserError, match=r"training\.batch_size: 'many' is refused"):
        load_config(first)
    first.write_text(FIRST.replace("batch_size", "batch_syze"))
    with pytest.raises(UserError, match=r"training\.batch_syze is not a known key"):
        load_config(first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_batch_size": 8}, r"train_batch_size is 8, and training\.batch_size of .*first\.yaml is 16: give both"),
        ({"gradient_clipping": "auto"}, None),
        ({"fp16": {"enabled": False}, "bf16": {"enabled": False}}, None),
        ({"zero_optimization": {"stage": 2, "cpu_offload": True}}, r"zero_optimization\.cpu_offload is True, which"),
        ({"optimizer": {"type": "Lamb"}}, r"optimizer\.type is 'Lamb', which exvideo-train does not take"),
        ({"optimizer": {"type": "AdamW", "params": {"lr": 1e-4}}}, None),
        ({"optimizer": {"type": "AdamW", "params": {"lr": 1e-3}}}, r"optimizer\.params\.lr is 0\.001, and training\."),
    ],
)
def test_a_deepspeed_file_agrees_or_is_refused(first: Path, change: dict[str, Any], message: str | None) -> None:
    (first.parent / "config" / "deepspeed_config.json").write_text(json.dumps(change))
    if message is None:
        assert load_config(first).engine.precision == ("fp32" if "bf16" in change else "bf16")
    else:
        with pytest.raises(UserError, match=message):
            load_config(first)


def test_a_deepspeed_file_that_is_missing_is_named_with_the_places_looked_at(first: Path) -> None:
    (first.parent / "config" / "deepspeed_config.json").rename(first.parent / "deepspeed_config.json")
    assert load_config(first).engine.zero_stage == 1  # by its name, beside the YAML
    (first.parent / "deepspeed_config.json").unlink()
    with pytest.raises(UserError, match=r"config/deepspeed_config\.json does not exist \(looked for at config"):
        load_config(first)


def test_epochs_and_steps_exclude_each_other(make_config: MakeConfig) -> None:
    with pytest.raises(UserError, match="optimizer: both steps=4 and epochs=2 is given: give either"):
        load_config(make_config(**{"optimizer.epochs": 2}))
    assert load_config(make_config(optimizer={"epochs": 2.5})).optimizer.for_clips(3).steps == 8
    with pytest.raises(UserError, match="optimizer: neither is given"):
        load_config(make_config(optimizer={"batch_size": 2}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_nccl_without_a_gpu_is_an_error() -> None:
    with pytest.raises(UserError, match=r"distributed\.backend: nccl needs a GPU"):
        check_backend("nccl")


def test_a_shape_that_contradicts_a_pretrained_base_is_an_error(make_config: MakeConfig) -> None:
    config = load_config(make_config(model={"hidden_dim": 64}))
    assert open_base(config).network is not None
    with pytest.raises(UserError, match=r"model\.hidden_dim is 128, and the base .* has 64: leave it out"):
        open_base(load_config(make_config(model={"hidden_dim": 128})))
    with pytest.raises(UserError, match=r"model\.num_layers is 99, and the base"):
        open_base(load_config(make_config(model={"num_layers": 99})))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"hidden_dim": 512, "num_layers": 17}, r"model: num_layers=17 is no number of .*: give one of \[16, 18, 15"),
        ({"hidden_dim": 100, "num_layers": 16}, r"model: hidden_dim=100 does not suit 4 levels: give a multiple of"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(make_config: MakeConfig, model: Any, message: str) -> None:
    path = make_config(model=model)
    path.write_text(path.read_text().replace("base: ", "# "))
    with pytest.raises(UserError, match=message):
        open_base(load_config(path))


@pytest.fixture(scope="module")
def from_scratch(tmp_path_factory: pytest.TempPathFactory, footage: Path, mlflow_uri: str) -> Path:
    """The first configuration, run: its own text, smaller numbers, and settings for a machine without a GPU."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "config").mkdir()
    (folder / "config" / "deepspeed_config.json").write_text(json.dumps({"zero_optimization": {"stage": 0}}))
    (folder / "first.yaml").write_text(FIRST)
    settings = [
        *("model.hidden_dim=32", "model.num_layers=4", "model.num_frames=10", "training.num_epochs=2"),
        *("training.batch_size=2", f"data.train_path={footage / 'train'}", f"data.val_path={footage / 'held_out'}"),
        *("data.size=[32, 32]", "distributed.backend=gloo", "engine.precision=fp32", f"tracking.uri={mlflow_uri}"),
    ]
    command = [sys.executable, "-m", "exvideo_train", "--config", "first.yaml", *settings]
    own = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # of a run in this process, before
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "first"


@pytest.mark.long
def test_the_first_configuration_trains_a_base_and_its_extension(from_scratch: Path) -> None:
    records = [json.loads(line) for line in (from_scratch / "metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records if "loss" in record]
    assert len(losses) == 3  # three clips, twice, in batches of two
    untrained = open_base(load_config(from_scratch.parent.parent / "first.yaml", settings=[
        "model.hidden_dim=32", "model.num_layers=4", "model.num_frames=10",
    ])).network.state_dict()  # fmt: skip
    trained = load_base(from_scratch / "base").network.state_dict()
    assert trained.keys() == untrained.keys()
    moved = {name for name, value in trained.items() if not torch.equal(value, untrained[name])}
    assert "conv_in.weight" in moved
    assert not any("temporal_transformer_blocks" in name for name in moved)  # those are the extension's
    pipe = ExVideoPipeline.from_pretrained(from_scratch / "base")
    extension = pipe.load_extension(from_scratch / "extension.safetensors")
    assert (extension.config.num_frames, extension.base_frames) == (10, 5)


@pytest.mark.long
def test_a_run_from_scratch_with_dropout_goes_on_in_the_same_bits(make_config: MakeConfig, runs: Any) -> None:
    model = {"model": {"hidden_dim": 32, "num_layers": 4, "dropout": 0.3}}
    for name, steps in (("whole", [4]), ("parts", [2, 4])):
        for count in steps:
            path = make_config(name, **model, **{"optimizer.steps": count})
            path.write_text(path.read_text().replace("base: ", "# "))
            status, said = runs.finish(path)
            assert status == 0, said
    runs.assert_same_end("whole", "parts", 4)


def test_nothing_of_the_first_configuration_runs_on_a_machine_that_it_is_not_for(
    first: Path, footage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    paths = [f"data.train_path={footage / 'train'}", f"data.val_path={footage / 'held_out'}"]
    assert main(["--config", str(first), *paths]) == 2
    assert "distributed.backend: nccl needs a GPU" in capsys.readouterr().err
