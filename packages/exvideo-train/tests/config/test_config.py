import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from exvideo_blocks import ExtensionConfig
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.errors import UserError

MakeConfig = Callable[..., Path]


def test_a_number_that_yaml_reads_as_text_is_accepted(make_config: MakeConfig) -> None:
    path = make_config(**{"optimizer.learning_rate": "1e-4"})
    assert isinstance(yaml.safe_load(path.read_text())["optimizer"]["learning_rate"], str)
    assert load_config(path).optimizer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimizer.learning_rate": "fast"},
            r"learning_rate: 'fast' is refused, input should be a valid number",
        ),
        ({"optimizer.learning_rat": 1e-4}, r"optimizer\.learning_rat is not a known key"),
        ({"learning_rate": 1e-4}, "learning_rate is not a known key"),
        ({"optimizer.steps": 0}, r"optimizer\.steps: 0 is refused"),
        ({"optimizer.learning_rate": float("nan")}, r"optimizer\.learning_rate: nan is refused"),
        ({"extension.level": "all"}, r"extension\.level: 'all' is refused, choose one of full"),
        ({"extension.lora_rank": 0}, r"extension\.lora_rank: 0 is refused, input should be greater than or equal to 1"),
        ({"extension.base_frames": 1}, r"extension\.base_frames: 1 is refused, input should be greater than or equal"),
        ({"extension.positions": "learnt"}, r"extension\.positions: 'learnt' is refused, choose one of reflected"),
        ({"optimizer.learning_rate_schedule": "step"}, r"optimizer\.learning_rate_schedule: 'step' is refused"),
        ({"engine.zero_stage": 4}, r"engine\.zero_stage: 4 is refused"),
        ({"engine.compile_blocks": True, "engine.zero_stage": 3}, "compile_blocks=true does not go with zero_stage=3"),
        ({"engine.attention_backend": "flash"}, r"engine\.attention_backend: 'flash' is refused, input should be"),
        ({"engine.gradient_checkpointing": "some"}, r"engine\.gradient_checkpointing"),
        ({"optimizer.kind": "sgd"}, r"optimizer\.kind: 'sgd' is refused"),
        (
            {"optimizer.kind": "adamw_8bit", "engine.zero_stage": 2},
            r"optimizer\.kind=adamw_8bit does not go with engine\.zero_stage=2, .*: set engine\.zero_stage to 0",
        ),
        (
            {"engine.base_precision": "nf4", "engine.zero_stage": 0},
            r"engine\.base_precision=nf4 goes with extension\.level=lora on a given base alone",
        ),
        ({"engine.base_precision": "fp8", "extension.level": "lora"}, "=fp8 does not go with zero_stage=2"),
        ({"optimizer.micro_batch_size": 4}, "batch_size=2 must be a multiple of micro_batch_size=4"),
        ({"data.size": [64]}, r"data\.size"),
        ({"noise.distribution": "gauss"}, r"noise\.distribution: 'gauss' is refused"),
        ({"loss.weighting": "min_snr"}, r"loss\.weighting: 'min_snr' is refused"),
        ({"loss.target_scale": 0}, r"loss\.target_scale: 0 is refused"),
        ({"validation.sigmas": []}, r"validation\.videos is missing; validation\.sigmas"),
    ],
)
def test_bad_values_are_named(make_config: MakeConfig, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(make_config(**changes))


def test_every_setting_of_an_extension_can_be_given_and_is_passed_on(make_config: MakeConfig) -> None:
    extension = ExtensionConfig(40, level="lora", positions="continued", lora_rank=4, base_frames=9)
    settings = asdict(extension)
    assert load_config(make_config(extension=settings)).extension.mounted == extension
    assert load_config(make_config(extension={"num_frames": 40})).extension.mounted == ExtensionConfig(40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold keys and values"),
        ("a: [", "is not valid YAML"),
        ("extension: {num_frames: 9}", "base is missing"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_config(tmp_path / "x.yaml")
    with pytest.raises(UserError, match=r"absent\.yaml cannot be read"):
        load_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 1\n", "seed: 1\nseed: 2\n", "the key seed stands on line 3 and again on line 4, and one value"),
        ("  steps: 5\n", "  steps: 5\n  steps: 6\n", "the key steps stands on line 7 and again on line 8"),
        ("  steps: 5\n", '  steps: 5\n  "steps": 5\n', "the key steps stands on line 7 and again on line 8"),
        ("{num_frames: 9}", "{num_frames: 9, num_frames: 10}", "num_frames stands on line 4 and again on line 4"),
        ("seed: 1\n", "seed: 1\noptimizer: {steps: 2}\n", "the key optimizer stands on line 4 and again on line 7"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (
        "base: x\noutput: y\nseed: 1\nextension: {num_frames: 9}\ndata: {videos: v, size: [8, 8]}\n"
        "optimizer:\n  steps: 5\n"
    )
    (tmp_path / "x.yaml").write_text(text)
    load_config(tmp_path / "x.yaml")
    assert old in text
    (tmp_path / "x.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=rf"x\.yaml: .*{message}"):
        load_config(tmp_path / "x.yaml")


def test_a_section_can_be_merged_from_another_and_override_it(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "base: x\noutput: y\nextension: {num_frames: 9}\n"
        "data: &clips {videos: v, size: [8, 8], clip_stride: 4}\n"
        "optimizer: {steps: 5}\n"
        "validation:\n  <<: {videos: u, clip_stride: 4, every: 7}\n  every: 9\n"
    )
    validation = load_config(tmp_path / "x.yaml").validation
    assert validation is not None
    assert (str(validation.videos), validation.clip_stride, validation.every) == ("u", 4, 9)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.5, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 0.854, 0.5, 0.146]),
    ],
)
def test_rates_rise_and_decay(make_config: MakeConfig, schedule: str, rates: list[float]) -> None:
    changes = {"steps": 5, "warmup_steps": 1, "learning_rate": 1.0, "learning_rate_schedule": schedule}
    optimizer = load_config(make_config(**{f"optimizer.{k}": v for k, v in changes.items()})).optimizer
    assert [optimizer.learning_rate_at(step) for step in range(5)] == pytest.approx(rates, abs=1e-3)


@pytest.mark.parametrize(("given", "read"), [(True, "all"), (False, "none"), ("temporal", "temporal")])
def test_checkpointing_is_of_all_blocks_temporal_ones_or_none(make_config: MakeConfig, given: Any, read: str) -> None:
    assert load_config(make_config(**{"engine.gradient_checkpointing": given})).engine.gradient_checkpointing == read


SHIPPED = sorted((Path(__file__).parents[4] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid_and_comments_every_key(path: Path) -> None:
    load_config(path)
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.strip().startswith("#")]
    assert [line for line in lines if "#" not in line and not line.rstrip().endswith(":")] == []


def test_there_are_shipped_configurations() -> None:
    assert {"quickstart.yaml", "tiny.yaml"} <= {path.name for path in SHIPPED}


def test_settings_are_as_if_the_file_had_them(make_config: MakeConfig) -> None:
    path = make_config()
    config = load_config(path, settings=["optimizer.steps=9", "data.size=[64, 32]", "seed=3", "validation.videos=held"])
    assert (config.optimizer.steps, config.data.size, config.seed) == (9, (64, 32), 3)
    assert config.validation is not None
    assert config.validation.videos == Path("held")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optimizer.steps", "optimizer.steps: give section.key=value"),
        ("=3", "=3: give section.key=value"),
        ("a.b.c=3", "a is not a known key"),
        ("optimizer.stops=3", r"optimizer\.stops is not a known key"),
        ("optimizer.steps=[", "'\\[' is no value in YAML"),
        ("optimizer.steps=few", r"optimizer\.steps: 'few' is refused"),
    ],
)
def test_a_setting_that_is_wrong_is_named(make_config: MakeConfig, setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(make_config(), settings=[setting])
    with pytest.raises(UserError, match="seed is given twice"):
        load_config(make_config(), settings=["seed=1", "seed=2"])


def test_the_printed_settings_give_the_same_run_and_say_where_each_is_from(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config()
    command = ["--config", str(path), "--print-config", "--change", "optimizer.learning_rate=1e-6", "seed=7"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    (tmp_path / "printed.yaml").write_text(printed)
    assert load_config(tmp_path / "printed.yaml") == load_config(path, ["optimizer.learning_rate=1e-6"], ["seed=7"])
    lines = [line.strip() for line in printed.splitlines()]
    assert "seed: 7 # command line" in lines
    assert "learning_rate: 1.0e-06 # command line" in lines
    assert f"num_frames: 10 # {path}" in lines
    assert "weight_decay: 0.01 # default" in lines
    assert not (tmp_path / "run").exists()


def test_the_schema_takes_what_ships_and_refuses_a_wrong_key(
    make_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--print-schema"]) == 0
    (tmp_path / "schema.json").write_text(capsys.readouterr().out)
    wrong = make_config(**{"optimizer.stops": 3})
    check = ["check-jsonschema", "--schemafile", str(tmp_path / "schema.json")]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    assert subprocess.run([*check, *map(str, SHIPPED)], env=environment).returncode == 0
    assert subprocess.run([*check, str(wrong)], env=environment).returncode == 1
