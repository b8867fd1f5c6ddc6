"""Seconds a clip: our pipeline against diffusers', on the same networks with the same extension mounted.

python -m benchmarks.generation
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from exvideo_eval import Result
from exvideo_infer import ExVideoPipeline
from PIL import Image
from torch import Tensor

from benchmarks.agreement import agree
from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.counts import count_metrics
from benchmarks.extended_base import SIZES, Size, cast, components, extend_at_random
from benchmarks.medians import memory_metrics, timing_metrics
from benchmarks.stopwatch import alternate, peak_bytes, wall_clock
from tiny_world.small_base import SPATIAL_DOWNSCALE

OURS, STOCK = "ExVideoPipeline", "diffusers' StableVideoDiffusionPipeline"
CALL = {"min_guidance_scale": 1.0, "max_guidance_scale": 3.0, "decode_chunk_size": 8, "output_type": "pt"}


def measure(conditions: Conditions, size: Size | None = None) -> Result:
    """Times clips from a picture of noise; the size is the device's own if none is given."""
    size = SIZES[conditions.device] if size is None else size
    device = conditions.torch_device
    contenders = samplers(conditions, size)
    agree({name: sample() for name, sample in contenders.items()})
    clock = wall_clock(device)
    times = alternate(contenders, clock, rounds=conditions.rounds, warmup=conditions.warmup)
    peaks = {name: peak_bytes(sample, device) for name, sample in contenders.items()}
    counts = count_metrics(contenders, {STOCK})
    protocol = {"size": size.protocol(), "base": "tiny_world.small_base, random weights, seed 0", "call": CALL}
    return Result.measured_here(
        kind="generation",
        name="clip",
        protocol=conditions.protocol() | protocol,
        metrics=(*timing_metrics(times, {STOCK}, unit="s"), *memory_metrics(peaks, {STOCK}), *counts),
        notes=("Decoding is part of a clip. Both pipelines run the same, extended, UNet.",),
    )


def samplers(conditions: Conditions, size: Size) -> dict[str, Callable[[], Tensor]]:
    """One clip from each pipeline, from the same noise: (1, frames, 3, height, width)."""
    from diffusers import StableVideoDiffusionPipeline

    parts = components(conditions, size)
    extend_at_random(parts["unet"], size.num_frames)
    cast(parts, conditions.torch_dtype)
    pixels = size.latent_size * SPATIAL_DOWNSCALE
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (pixels, pixels, 3), dtype=np.uint8))

    def sampler(pipeline: Any) -> Callable[[], Tensor]:
        pipeline.set_progress_bar_config(disable=True)

        def sample() -> Tensor:
            generator = torch.Generator().manual_seed(0)
            steps, frames = size.num_inference_steps, size.num_frames
            output = pipeline(
                image, num_frames=frames, num_inference_steps=steps, height=pixels, width=pixels, generator=generator,
                **CALL,
            )  # fmt: skip
            return torch.as_tensor(output.frames)

        return sample

    return {OURS: sampler(ExVideoPipeline(**parts)), STOCK: sampler(StableVideoDiffusionPipeline(**parts))}


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "generation_clip", rounds=7, arguments=arguments)
