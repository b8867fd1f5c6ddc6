"""A run small enough to make in seconds: a random base, moving noise as footage."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from exvideo_infer.video_file import write_video


def write_clip(path: Path, frames: int = 14, seed: int = 0, size: int = 32) -> Path:
    """An MP4 of a random picture that slides by a pixel a frame."""
    picture = np.random.default_rng(seed).integers(0, 255, (size // 8, size // 8, 3), dtype=np.uint8)
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    write_video(path, [np.roll(picture, shift, axis=1) for shift in range(frames)], fps=8)
    return path


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` (3 clips of 14 frames) and `held_out` (1)."""
    folder = tmp_path_factory.mktemp("footage")
    for part, count in (("train", 3), ("held_out", 1)):
        (folder / part).mkdir()
        for number in range(count):
            write_clip(folder / part / f"clip{number}.mp4", seed=10 * count + number)
    return folder


@pytest.fixture(scope="session")
def clip_writer() -> Callable[..., Path]:
    """`write_clip`."""
    return write_clip


@pytest.fixture
def make_config(tiny_base_dir: Path, footage: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a YAML: make_config(output="run", **{"optimizer.steps": 3}); the run takes place in tmp_path."""

    def make(output: str = "run", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "base": str(tiny_base_dir),
            "output": str(tmp_path / output),
            "extension": {"num_frames": 10},
            "data": {"videos": str(footage / "train"), "size": [32, 32], "clip_stride": 2},
            "optimizer": {"steps": 4, "batch_size": 2, "learning_rate": "1e-3"},
            "engine": {"precision": "fp32"},
            "checkpoint": {"every": 2},
        }
        for key, value in changes.items():
            section, _, name = key.rpartition(".")
            (values.setdefault(section, {}) if section else values)[name] = value
        path = tmp_path / f"{output}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return make


WORDS = ("a", "red", "blue", "circle", "moves", "left")
TOKENS = 7  # a start, five words, an end


@pytest.fixture(scope="session")
def text_base_dir(tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with a random text encoder and a tokenizer of `WORDS`."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    from tiny_world.small_base import build_tokenizer

    directory = tmp_path_factory.mktemp("text_base") / "base"
    shutil.copytree(tiny_base_dir, directory)
    tokenizer = build_tokenizer(WORDS, TOKENS)
    tokenizer.save_pretrained(directory / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=TOKENS, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CLIPTextModelWithProjection(config).save_pretrained(directory / "text_encoder")
    return directory
