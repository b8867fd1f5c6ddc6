"""The experts of a mixture: each is extended by a run of its own, at its own noise levels."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import read_extension_header, read_safetensors
from exvideo_infer import probe
from exvideo_infer.cli import main as generate
from exvideo_train.bases import open_base, task_of
from exvideo_train.cli import main
from exvideo_train.config import load_config

MakeConfig = Callable[..., Path]
LEVELS_OF = {"high_noise": (0.875, 1.0), "low_noise": (0.0, 0.875)}


@pytest.fixture
def expert_config(
    make_config: MakeConfig, make_transformer_dir: Callable[..., Path], captioned: Path
) -> Callable[..., Path]:
    """Writes a configuration of an expert's run: expert_config("low_noise", "run", **changes)."""

    def make(expert: str | None, output: str = "run", **changes: Any) -> Path:
        base = {"base": str(make_transformer_dir("wan", experts=2)), "base_expert": expert}
        extension = {"num_frames": 13, "base_frames": 9, "level": "lora", "lora_rank": 2}
        data = {"data.videos": str(captioned / "train")}
        return make_config(output, **(base | {"extension": extension} | data | changes))

    return make


@pytest.mark.parametrize("distribution", ["uniform", "logitnormal"])
@pytest.mark.parametrize("expert", LEVELS_OF)
def test_an_expert_is_trained_at_its_own_noise_levels(
    expert_config: Callable[..., Path], expert: str, distribution: str
) -> None:
    config = load_config(expert_config(expert, **{"noise.distribution": distribution}))
    base: Any = open_base(config)
    objective = task_of(config, base).objective
    generator = torch.Generator().manual_seed(0)
    levels = torch.stack([objective.draw(generator, 64) for _ in range(500)])
    low, high = LEVELS_OF[expert]
    assert low <= levels.min() < low + 0.2
    assert high - 0.05 < levels.max() <= high
    assert base.network is base.networks[list(LEVELS_OF).index(expert)]


def test_one_extension_an_expert_and_both_sample(
    expert_config: Callable[..., Path], captioned: Path, tmp_path: Path, runs: Any
) -> None:
    for expert, sigma in (("high_noise", 20.0), ("low_noise", 2.0)):
        watched = {"validation.videos": str(captioned / "held_out"), "validation.sigmas": [sigma]}
        assert main(["--config", str(expert_config(expert, expert, **watched, **{"optimizer.steps": 2}))]) == 0
        assert len(runs.figures(expert, "validation/loss")) == 2
        header = read_extension_header(tmp_path / expert / "extension.safetensors")
        assert header.training is not None
        assert header.training["expert"] == expert
    tensors = [read_safetensors(tmp_path / name / "extension.safetensors")[0] for name in LEVELS_OF]
    assert any(not torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())
    base, out = load_config(expert_config("high_noise")).base, tmp_path / "out.mp4"
    both = ["--extension", str(tmp_path / "high_noise"), "--extension-2", str(tmp_path / "low_noise")]
    assert generate(["--base", str(base), *both, "--prompt", "a", "--steps", "2", "-o", str(out)]) == 0
    assert probe(out).num_frames == 13


def test_an_expert_s_run_in_two_parts_is_the_run_in_one(expert_config: Callable[..., Path], runs: Any) -> None:
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        assert main(["--config", str(expert_config("low_noise", name, **{"optimizer.steps": steps}))]) == 0
    runs.assert_same_end("whole", "parts", 4)


@pytest.mark.parametrize(
    ("expert", "changes", "sentence"),
    [
        (None, {}, "base_expert is None, and .* is a mixture of high_noise and low_noise: choose one"),
        ("other", {}, "base_expert is other, and .* is a mixture of high_noise and low_noise: choose one"),
        ("low_noise", {"samples": {"first_frames": None, "prompts": ["a"]}}, "make a clip together: leave samples out"),
        ("high_noise", {"validation.sigmas": [20.0, 2.0]}, r"validation\.sigmas: sigma=2 is a noise level.*7 to inf"),
        ("low_noise", {"validation.sigmas": [8.0]}, r"validation\.sigmas: sigma=8 is a noise level.*give 0 to 7"),
    ],
)
def test_what_an_expert_cannot_do_is_refused(
    expert_config: Callable[..., Path], captioned: Path, capsys: pytest.CaptureFixture[str], expert: str | None,
    changes: dict[str, Any], sentence: str,
) -> None:  # fmt: skip
    held_out = {"validation.videos": str(captioned / "held_out")} if "validation.sigmas" in changes else {}
    assert main(["--config", str(expert_config(expert, **held_out, **changes))]) == 2
    assert re.search(sentence, " ".join(capsys.readouterr().err.split()))
