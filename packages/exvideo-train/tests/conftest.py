"""A run small enough to make in seconds: a random base, moving noise as footage."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from exvideo_blocks import ExtensionConfig, extend, read_safetensors
from exvideo_blocks.families import svd
from exvideo_infer import iter_frames_at, load_base
from exvideo_infer.video_file import write_video
from exvideo_train.config import load_config
from exvideo_train.data import find_all_clips, video_encoder
from exvideo_train.data.latent_cache import LatentCache
from exvideo_train.data.video_encoder import VideoEncoder
from exvideo_train.ema import ema_decay
from exvideo_train.order import ClipOrder
from exvideo_train.step import Task, training_batch
from torch import Tensor


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


CAPTIONS = ("a red circle moves left", "a blue square", "a circle")


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` (3 clips of 20 frames) and `held_out` (1), each clip with its caption beside it."""
    folder = tmp_path_factory.mktemp("captioned")
    for part, count in (("train", 3), ("held_out", 1)):
        (folder / part).mkdir()
        for number in range(count):
            path = write_clip(folder / part / f"clip{number}.mp4", frames=20, seed=10 * count + number)
            path.with_suffix(".txt").write_text(CAPTIONS[number])
    return folder


@pytest.fixture(scope="session")
def clip_writer() -> Callable[..., Path]:
    """`write_clip`."""
    return write_clip


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The places of all frames that are decoded from here on."""
    places: list[int] = []

    def iter_counted(path: Path, wanted: Sequence[int], *rest: Any) -> Iterator[Any]:
        for place, frame in zip(wanted, iter_frames_at(path, wanted, *rest), strict=True):
            places.append(place)
            yield frame

    monkeypatch.setattr(video_encoder, "iter_frames_at", iter_counted)
    return places


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that is there already: MLflow takes ten seconds to make one, as every run of its own would."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    MlflowClient(uri).create_experiment("exvideo", artifact_location=tmp_path_factory.mktemp("artifacts").as_uri())
    return uri


@pytest.fixture
def make_config(config_writer: Callable[..., Callable[..., Path]], tmp_path: Path) -> Callable[..., Path]:
    """Writes a YAML: make_config(output="run", **{"optimizer.steps": 3}); the run takes place in tmp_path."""
    return config_writer(tmp_path)


@pytest.fixture(scope="module")
def make_module_config(
    config_writer: Callable[..., Callable[..., Path]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """The same, in a folder that a module's tests share."""
    return config_writer(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def config_writer(tiny_base_dir: Path, footage: Path, mlflow_uri: str) -> Callable[..., Callable[..., Path]]:
    """`make_config` of a folder."""

    def make(folder: Path, output: str = "run", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "base": str(tiny_base_dir),
            "output": str(folder / output),
            "extension": {"num_frames": 10},
            "data": {"videos": str(footage / "train"), "size": [32, 32], "clip_stride": 2},
            "optimizer": {"steps": 4, "batch_size": 2, "learning_rate": "1e-3"},
            "engine": {"precision": "fp32", "gradient_checkpointing": "none"},  # which would run each network twice
            "checkpoint": {"every": 2},
            "tracking": {"uri": mlflow_uri},
        }
        for key, value in changes.items():
            section, _, name = key.rpartition(".")
            (values.setdefault(section, {}) if section else values)[name] = value
        path = folder / f"{output}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return lambda folder: partial(make, folder)


class Runs:
    """Runs of the command line as processes of their own, and what they leave behind in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, config: Path, *arguments: str, processes: int = 1, module: str = "exvideo_train") -> list[str]:
        """The command of a run; `module` may be a script that runs it with something put in its way."""
        start = [sys.executable]
        if processes > 1:
            start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        start += [module] if module.endswith(".py") else ["-m", module]
        return [*start, "--config", str(config), *arguments]

    def start(self, config: Path, *arguments: str, processes: int = 1, **options: Any) -> "subprocess.Popen[str]":
        command = self.command(config, *arguments, processes=processes, module=options.pop("module", "exvideo_train"))
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True, **options)

    def finish(
        self, config: Path, *arguments: str, processes: int = 1, module: str = "exvideo_train"
    ) -> tuple[int, str]:
        """The exit status of a run, and what it has said."""
        command = self.command(config, *arguments, processes=processes, module=module)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.returncode, done.stderr

    @property
    def environment(self) -> dict[str, str]:
        """Without what a run in this process has set for itself."""
        own = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
        return {name: value for name, value in os.environ.items() if name not in own}

    def records(self, output: str) -> list[dict[str, Any]]:
        path = self.folder / output / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def figures(self, output: str, key: str) -> list[float]:
        return [record[key] for record in self.records(output) if key in record]

    def wait_for(self, run: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 300
        while not ready():
            assert run.poll() is None, f"ended before: {run.communicate()[1]}"
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def tensors(self, output: str, step: int) -> dict[str, torch.Tensor]:
        """All of a checkpoint's tensors: "master/NAME" ..."""
        folder = self.folder / output / "checkpoints" / f"step-{step:08d}"
        found: dict[str, torch.Tensor] = {}
        for part in sorted(folder.glob("part-*.safetensors")):
            found |= read_safetensors(part)[0]
        return found

    def assert_same_end(self, one: str, other: str, step: int) -> None:
        """Compares two runs, bit for bit."""
        first, second = self.tensors(one, step), self.tensors(other, step)
        assert first.keys() == second.keys() != set()
        assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []
        assert self.figures(one, "loss") == self.figures(other, "loss")
        (ours, header), (theirs, other_header) = (
            read_safetensors(self.folder / name / "extension.safetensors") for name in (one, other)
        )
        assert header == other_header
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


@pytest.fixture
def by_hand() -> Callable[..., Any]:
    """The run of a configuration without exvideo_train's engine: by_hand(path, dtype) gives losses, weights and EMA.

    by_hand(path, dtype, decays) decays the weights alone whose name `decays` is true for.

    The model in `dtype`, gradients added up over samples in fp32, clipping, torch's AdamW on fp32 masters, EMA.
    """
    return train_by_hand


def train_by_hand(
    path: Path, dtype: torch.dtype, decays: Callable[[str], bool] = lambda name: True
) -> tuple[list[float], dict[str, Tensor], dict[str, Tensor]]:
    config = load_config(path)
    base = load_base(config.base)
    clips, _, _ = find_all_clips(config)
    cache = LatentCache(config.cache, base)
    VideoEncoder(cache, base, {}).encode(clips)
    task = Task(svd, svd.objective(base.scheduler))
    extension = extend(base.network, ExtensionConfig(config.extension.num_frames))
    parameters = extension.trainable_parameters(context_tokens=1)
    masters = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    ema = {name: master.clone() for name, master in masters.items()}
    for parameter in base.network.parameters():  # not its buffers
        parameter.data = parameter.data.to(dtype)
    section = config.optimizer
    optimizer = torch.optim.AdamW(
        [
            {"params": [master], "weight_decay": section.weight_decay if decays(name) else 0.0}
            for name, master in masters.items()
        ],
        lr=section.learning_rate,
    )
    losses, order = [], ClipOrder(clips, config.seed, section.batch_size)
    for step in range(section.steps):
        total = 0.0
        for master in masters.values():
            master.grad = torch.zeros_like(master)
        for sample in range(section.batch_size):
            batch = training_batch(config, task.objective, cache, order, step, [sample])
            loss = task.loss(base.network, batch, dtype).mean() / section.batch_size
            loss.backward()
            total += loss.item()
            for name, parameter in parameters.items():
                masters[name].grad += parameter.grad.float()
                parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters.values(), section.max_grad_norm)
        optimizer.step()
        decay = ema_decay(step + 1, section.ema_decay)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(masters[name])
                ema[name].mul_(decay).add_(masters[name], alpha=1 - decay)
        losses.append(total)
    return losses, masters, ema


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
