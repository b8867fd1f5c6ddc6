"""A training step of ours against a bare PyTorch loop, on the same model and the same cached latents.

python -m benchmarks.training
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from exvideo_blocks import Extension, ExtensionConfig, extend
from exvideo_blocks.families import svd
from exvideo_eval import Data as DataNote
from exvideo_eval import Result
from exvideo_infer import write_video
from exvideo_infer.bases.svd import SVDBase
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data, encode_data
from exvideo_train.engine import Engine
from exvideo_train.loop import train_step
from exvideo_train.prefetch import Batches
from exvideo_train.processes import Processes
from exvideo_train.state import TrainState
from exvideo_train.step import Batch, Task, collate
from exvideo_train.tracking import Tracker
from torch import Tensor

from benchmarks.command_line import run
from benchmarks.conditions import Conditions, ConditionsError
from benchmarks.counts import count_metrics
from benchmarks.medians import memory_metrics, timing_metrics
from benchmarks.stopwatch import alternate, peak_bytes, wall_clock
from benchmarks.training.bare_loop import BareLoop
from tiny_world.small_base import SPATIAL_DOWNSCALE, build_components

CLIPS = 4
OURS, RECORDED, BARE = "ours", "ours, with metrics.jsonl and MLflow", "bare loop"

CONTENDERS = {
    OURS: "exvideo_train's step: latents from files, keyed noise, DeepSpeed, EMA, gradient norm, check of the loss",
    RECORDED: "the same and its figures recorded, as a run does after every step",
    BARE: "benchmarks/training/bare_loop.py: clips in memory, AdamW, clipping, EMA",
}


@dataclass(frozen=True)
class Size:
    """A network. `latent_size`: height and width of the latents; the base is random, of 8 frames."""

    unet_channels: tuple[int, ...] = (32, 64, 64)
    num_frames: int = 40
    latent_size: int = 16
    attention_head_dim: int = 16
    gradient_checkpointing: bool = False


SIZES = {
    "cpu": Size(),
    "cuda": Size((320, 640, 1280), latent_size=64, attention_head_dim=64, gradient_checkpointing=True),
}


class Contest:
    """Both programs on two copies of one extended model, and the clips that they train on.

    Args:
        conditions: device and dtype.
        size: what is trained.
        folder: for footage, cached latents and records.
        prefetch: steps whose batches are made ahead.
    """

    def __init__(self, conditions: Conditions, size: Size, folder: Path, prefetch: int = 2) -> None:
        self.config = _config(conditions, size, folder, prefetch)
        _write_footage(self.config.data.videos, size, range(CLIPS))
        _write_footage(folder / "held_out", size, [CLIPS])
        self.processes = Processes()
        if self.processes.device.type != conditions.device:
            raise ConditionsError(
                f"--device is {conditions.device}, but exvideo_train takes {self.processes.device} where it finds one: "
                "set CUDA_VISIBLE_DEVICES= to hide it."
            )
        self.data = self._encode(size)
        self.task = Task(svd, svd.objective(_components(size)["scheduler"]))
        self.state = TrainState()
        unet, self.extension = self._extended_unet(size)
        parameters = self.extension.trainable_parameters(context_tokens=1)
        self.engine = Engine(unet, parameters, self.config, self.processes)
        self.batches = Batches(self.config, self.task.objective, self.data, self.processes, self.engine.micro_batches)
        self.bare = self._bare_loop(size, conditions.torch_dtype)
        self.clips, self.held_out = (
            [self._in_memory(clip) for clip in clips] for clips in (self.data.training, self.data.held_out)
        )
        self.bare_steps = 0

    @cached_property
    def tracker(self) -> Tracker:
        """Records the figures of `recorded`."""
        self.config.output.mkdir(exist_ok=True)
        return Tracker(self.config, from_step=0)

    def ours(self) -> dict[str, float]:
        """One step of exvideo_train."""
        return train_step(self.config, self.task, self.engine, self.batches, self.state).figures

    def recorded(self) -> None:
        """One step of exvideo_train with what its loop does after it."""
        self.tracker.record(self.state.step, self.ours())

    def bare_step(self) -> float:
        """One step of the bare loop."""
        self.bare_steps += 1
        return self.bare.step(self.clips[self.bare_steps % len(self.clips)])

    def _encode(self, size: Size) -> Data:
        networks = SVDBase(**_components(size))
        for network in (networks.vae, networks.image_encoder):
            network.to(self.processes.device)
        return encode_data(self.config, networks, self.processes, lambda done, total: None)

    def _extended_unet(self, size: Size) -> tuple[Any, Extension]:
        unet = _components(size)["unet"].to(self.processes.device)
        extension = extend(unet, ExtensionConfig(size.num_frames))
        if size.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        return unet, extension

    def _bare_loop(self, size: Size, dtype: torch.dtype) -> BareLoop:
        unet, extension = self._extended_unet(size)
        section = self.config.optimizer
        return BareLoop(
            unet,
            extension.trainable_parameters(context_tokens=1).values(),
            dtype,
            svd.karras_sigmas(),
            learning_rate=section.learning_rate,
            weight_decay=section.weight_decay,
            max_grad_norm=section.max_grad_norm,
            ema_decay=section.ema_decay,
        )

    def _in_memory(self, clip: Any) -> dict[str, Tensor]:
        encoded = self.data.cache.read(clip)
        batch = collate([encoded], [torch.ones(())], [encoded.latents]).to(self.processes.device)
        return in_memory(batch)


def in_memory(batch: Batch) -> dict[str, Tensor]:
    """A batch of one as the bare loop takes it."""
    given = batch.conditions
    assert given.first_frame is not None
    assert given.time_ids is not None
    tensors = {"first_frame": given.first_frame, "embedding": given.tokens, "time_ids": given.time_ids}
    return {"latents": batch.latents} | tensors


def measure(conditions: Conditions, size: Size | None = None) -> Result:
    """Times steps in turn; the size is the device's own if none is given."""
    size = SIZES[conditions.device] if size is None else size
    with TemporaryDirectory(prefix="exvideo-bench-") as folder:
        contest = Contest(conditions, size, Path(folder))
        contenders = {OURS: contest.ours, RECORDED: contest.recorded, BARE: contest.bare_step}
        clock = wall_clock(conditions.torch_device)
        times = alternate(contenders, clock, rounds=conditions.rounds, warmup=conditions.warmup)
        peaks = {name: peak_bytes(step, conditions.torch_device) for name, step in contenders.items()}
        counts = count_metrics(contenders, {BARE})
        contest.tracker.close()
        config = contest.config
    return Result.measured_here(
        kind="training",
        name="step",
        protocol=conditions.protocol() | protocol_of(config, size, CONTENDERS),
        metrics=(*timing_metrics(times, {BARE}, unit="s"), *memory_metrics(peaks, {BARE}), *counts),
        data=(footage_note(size),),
    )


def protocol_of(config: TrainConfig, size: Size, contenders: Mapping[str, str]) -> dict[str, Any]:
    """All of a contest that changes its numbers, but for the conditions."""
    return {
        "size": asdict(size) | {"unet_channels": list(size.unet_channels)},
        "base": "tiny_world.small_base, random weights, seed 0",
        "clips": CLIPS,
        "contenders": dict(contenders),
        "zero_stage": config.engine.zero_stage,
        "batch_size": config.optimizer.batch_size,
        "level": config.extension.level,
    }


def footage_note(size: Size) -> DataNote:
    """The clips that are trained on."""
    pixels = size.latent_size * SPATIAL_DOWNSCALE
    return DataNote("input", f"sliding noise, {size.num_frames} frames of {pixels}x{pixels}", "made here", CLIPS)


def _components(size: Size) -> dict[str, Any]:
    return build_components(
        seed=0,
        unet_channels=size.unet_channels,
        vae_channels=(32, 32, 32),
        sample_size=size.latent_size,
        attention_head_dim=size.attention_head_dim,
    )


def _config(conditions: Conditions, size: Size, folder: Path, prefetch: int) -> TrainConfig:
    pixels = size.latent_size * SPATIAL_DOWNSCALE
    values = {
        "base": "made here",
        "output": folder / "run",
        "extension": {"num_frames": size.num_frames},
        "data": {
            "videos": folder / "footage",
            "size": (pixels, pixels),
            "cache": folder / "latents",
            "prefetch": prefetch,
        },
        "optimizer": {"steps": 1_000_000, "learning_rate": 1e-4},
        "validation": {"videos": folder / "held_out", "every": 1_000_000},
        "engine": {"precision": conditions.dtype, "gradient_checkpointing": size.gradient_checkpointing},
    }
    return TrainConfig.model_validate(values)


def _write_footage(folder: Path, size: Size, numbers: Iterable[int]) -> None:
    """A random picture a clip, by its number, that slides by a pixel a frame."""
    pixels = size.latent_size * SPATIAL_DOWNSCALE
    folder.mkdir()
    for number in numbers:
        rng = np.random.default_rng(number)
        picture = rng.integers(0, 256, (pixels // 8, pixels // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        frames = [np.roll(picture, shift, axis=1) for shift in range(size.num_frames)]
        write_video(folder / f"clip{number}.mp4", frames, fps=8)


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "training_step", rounds=21, arguments=arguments)
