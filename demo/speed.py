"""The recipe fitted to the machine: the precision that it computes faster, and no more steps than there is time for.

Processors without bfloat16 instructions take 10 to 20 times as long in it as in float32, and some are slow in both.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, extend, family_of
from exvideo_infer import Conditions, load_base
from torch import Tensor, nn
from torch.nn import functional as F

from tiny_world.system.side_by_side import pool_of_cores

SECONDS = 690  # of the whole demo on two cores, so that it ends within twelve minutes
STEP_CLIPS = 0.9  # a step of two processes, over a clip on either core at once by threads, which wait for each other


def fit(recipe: dict[str, Any], beside: Callable[[float], float], steps: int | None = None) -> dict[str, Any]:
    """The recipe with its precision and its steps fitted to this machine; prints what it changed.

    Args:
        recipe: of exvideo-train, in bf16 and with a clip a process, for a base in Stable Video Diffusion's shape.
        beside: seconds of all that is no step, of those of a clip (`clip_seconds`).
        steps: to be made however long they take; None for as many as there is time for.
    """
    dtype, wanted = faster_dtype(), recipe["optimizer"]["steps"]
    if steps is None:
        seconds = clip_seconds(recipe, dtype)
        steps = affordable_steps(SECONDS - beside(seconds), seconds, wanted)
        if steps < wanted:
            print(f"  a slow machine, {seconds:.2f} s a clip: {steps} of {wanted} steps", flush=True)
    precision = "bf16" if dtype == torch.bfloat16 else "fp32"
    every = min(recipe["validation"]["every"], max(1, steps // 4))
    return recipe | {
        "engine": recipe["engine"] | {"precision": precision},
        "optimizer": recipe["optimizer"] | {"steps": steps},
        "validation": recipe["validation"] | {"every": every},
    }


def faster_dtype() -> torch.dtype:
    """bfloat16 or float32: the one in which this processor multiplies and convolves faster; bfloat16 on a GPU."""
    if torch.cuda.is_available():
        return torch.bfloat16

    def work(dtype: torch.dtype) -> Callable[[], Tensor]:
        rows, weight = torch.randn(640, 96, dtype=dtype), torch.randn(384, 96, dtype=dtype)
        video, kernel = torch.randn(1, 64, 8, 8, 8, dtype=dtype), torch.randn(64, 64, 3, 3, 3, dtype=dtype)
        return lambda: F.linear(rows, weight).sum() + F.conv3d(video, kernel).sum()

    return min((torch.bfloat16, torch.float32), key=lambda dtype: best_seconds(work(dtype)))


def clip_seconds(recipe: dict[str, Any], dtype: torch.dtype) -> float:
    """Seconds of a clip on each of two cores at once, forward and back, in the extended base that the recipe trains."""
    base = load_base(recipe["base"])
    network, frames = base.network, recipe["extension"]["num_frames"]
    extend(network, ExtensionConfig(**recipe["extension"]))
    network.to(dtype).train()
    family, config = family_of(network), network.config
    sides = (config.sample_size, config.sample_size)
    latents = torch.randn(1, frames, config.out_channels, *sides, dtype=dtype)
    words = 0 if base.tokenizer is None else base.tokenizer.model_max_length
    tokens = torch.randn(1, 1 + words, config.cross_attention_dim)
    conditions = Conditions(tokens, torch.randn(1, config.out_channels, *sides), torch.zeros(1, 3))

    def clip(network: nn.Module) -> None:
        family.call(network, latents, torch.zeros(1), conditions).float().square().mean().backward()

    networks = [network, deepcopy(network)]
    with pool_of_cores() as pool:
        return best_seconds(lambda: list(pool.map(clip, networks)))


def best_seconds(work: Callable[[], Any], times: int = 3) -> float:
    """The least of so many times of some work on one thread, after a first that does not count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = []
        for _ in range(1 + times):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        return min(taken[1:])
    finally:
        torch.set_num_threads(threads)


def affordable_steps(left: float, seconds: float, wanted: int) -> int:
    """The steps that there is time for, between an eighth and all of those wanted.

    Args:
        left: seconds for steps.
        seconds: of a clip, as `clip_seconds`.
    """
    return max(wanted // 8, min(wanted, int(left / (seconds * STEP_CLIPS))))
