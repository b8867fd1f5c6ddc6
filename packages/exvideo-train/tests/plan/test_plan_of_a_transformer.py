"""The plan of a run on a video transformer, by the configurations of its base alone: no weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks import extend, summarize
from exvideo_infer import encode_for, load_base
from exvideo_train.bases import open_base
from exvideo_train.cli import main
from exvideo_train.config import load_config

from ..conftest import write_clip

RECIPE = Path(__file__).parents[4] / "configs" / "wan-1.3b-161f-lora.yaml"
TOKENS = 41 * 30 * 52  # of a clip of 161 frames of 480x832
WIDTH, BLOCKS = 1536, 30


@pytest.fixture(scope="module")
def wan_configs(make_transformer_dir: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configurations of Wan 2.1 1.3B at their sizes, without weights; a small tokenizer."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import UMT5Config

    folder = tmp_path_factory.mktemp("wan_configs") / "base"
    shutil.copytree(make_transformer_dir("wan"), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    with torch.device("meta"):
        transformer = WanTransformer3DModel(num_attention_heads=12, num_layers=BLOCKS, ffn_dim=8960)
        vae = AutoencoderKLWan()
    transformer.save_config(folder / "transformer")
    vae.save_config(folder / "vae")
    UMT5Config(vocab_size=256384, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64).save_pretrained(
        folder / "text_encoder"
    )
    assert list(folder.rglob("*.safetensors")) == []
    return folder


@pytest.mark.parametrize("kind", ["wan", "ltx", "hunyuan_video", "cogvideox"])
def test_a_base_without_weights_encodes_to_the_same_shapes(
    make_transformer_dir: Callable[..., Path], kind: str
) -> None:
    side, frames = (64, 17) if kind == "ltx" else (32, 9)
    clip = torch.zeros(frames, 3, side, side)
    whole, weightless = (
        load_base(make_transformer_dir(kind), weights=weights) for weights in (True, False)
    )  # fmt: skip
    assert {parameter.device.type for parameter in weightless.network.parameters()} == {"meta"}
    expected, found = (encode_for(base, clip, "a red circle") for base in (whole, weightless))
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in expected.items()
    }
    shapes = {name: parameter.shape for name, parameter in whole.network.named_parameters()}
    assert {name: parameter.shape for name, parameter in weightless.network.named_parameters()} == shapes


@pytest.mark.long
def test_the_memory_of_the_recipe_is_told_at_wan_s_own_size(
    wan_configs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "held_out"):
        (tmp_path / part).mkdir()
        write_clip(tmp_path / part / "clip.mp4", frames=164, seed=len(part))
    settings = [
        f"base={wan_configs}", f"output={tmp_path / 'run'}", f"data.videos={tmp_path / 'train'}", "data.fps=null",
        f"validation.videos={tmp_path / 'held_out'}",
    ]  # fmt: skip
    assert main(["--config", str(RECIPE), *settings, "--dry-run", "--json", "--memory-gib", "80"]) == 0
    told = json.loads(capsys.readouterr().out)
    parts = told["memory"]["parts"]
    assert told["parameters"]["trained"] == 11_796_480 + 902
    assert parts["weights"] == pytest.approx(2 * 1.43e9, rel=0.01)
    # Each block keeps what it begins from, and computes the rest anew.
    kept = 2 * BLOCKS * TOKENS * WIDTH
    assert kept < parts["activations"] < 3 * kept


def test_its_summary_counts_offsets_and_updates(wan_configs: Path) -> None:
    config = load_config(RECIPE, settings=[f"base={wan_configs}"])
    base: Any = open_base(config, draw_weights=False)
    groups = {group.name: group.trained for group in summarize(extend(base.network, config.extension.mounted)).groups}
    assert groups["angle offsets"] == 902
    assert groups["LoRA"] == 11_796_480
