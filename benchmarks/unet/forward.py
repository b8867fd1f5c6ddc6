"""One forward pass of the extended UNet, against the same mathematics written with diffusers' own modules.

python -m benchmarks.unet
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from exvideo_eval import Result
from torch import Tensor

from benchmarks.agreement import agree
from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.counts import count_metrics
from benchmarks.extended_base import SIZES, Size, cast, components, extend_at_random
from benchmarks.medians import memory_metrics, timing_metrics
from benchmarks.stopwatch import alternate, peak_bytes, wall_clock
from benchmarks.unet.diffusers_site import extend_with_diffusers

OURS, DIFFUSERS, BASE = "extended", "extended with diffusers' modules", "base, not extended"
PEERS = (DIFFUSERS, BASE)
BATCH = 2  # guidance makes two of one clip


def measure(conditions: Conditions, size: Size | None = None) -> Result:
    """Times forward passes; the size is the device's own if none is given."""
    size = SIZES[conditions.device] if size is None else size
    device = conditions.torch_device
    contenders = forwards(conditions, size)
    agree({name: contenders[name]() for name in (OURS, DIFFUSERS)})
    clock = wall_clock(device)
    times = alternate(contenders, clock, rounds=conditions.rounds, warmup=conditions.warmup)
    peaks = {name: peak_bytes(forward, device) for name, forward in contenders.items()}
    counts = count_metrics(contenders, PEERS)
    protocol = {"size": size.protocol(), "batch": BATCH, "base": "tiny_world.small_base, random weights, seed 0"}
    return Result.measured_here(
        kind="unet",
        name="forward",
        protocol=conditions.protocol() | protocol,
        metrics=(*timing_metrics(times, PEERS, unit="ms"), *memory_metrics(peaks, PEERS), *counts),
        notes=("The base computes less: it has no identity convolutions. Its ratio is what the extension costs.",),
    )


def forwards(conditions: Conditions, size: Size) -> dict[str, Callable[[], Tensor]]:
    """One forward pass of each network on the same inputs: (batch, frames, channels, height, width)."""
    ours, diffusers, base = (components(conditions, size) for _ in range(3))
    extend_at_random(ours["unet"], size.num_frames)
    extend_with_diffusers(diffusers["unet"], size.num_frames)
    diffusers["unet"].to(conditions.torch_device).load_state_dict(ours["unet"].state_dict())
    for parts in (ours, diffusers, base):
        cast(parts, conditions.torch_dtype)
    inputs = _inputs(conditions, size, base["unet"].config)

    def forward_of(unet: Any) -> Callable[[], Tensor]:
        def forward() -> Tensor:
            with torch.no_grad():
                return unet(**inputs, return_dict=False)[0]

        return forward

    networks = zip((OURS, DIFFUSERS, BASE), (ours, diffusers, base), strict=True)
    return {name: forward_of(parts["unet"]) for name, parts in networks}


def _inputs(conditions: Conditions, size: Size, config: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (BATCH, size.num_frames, config.in_channels, size.latent_size, size.latent_size)
    context = (BATCH, 1, config.cross_attention_dim)
    device, dtype = conditions.torch_device, conditions.torch_dtype
    return {
        "sample": torch.randn(shape, generator=generator).to(device, dtype),
        "timestep": torch.tensor(0.5, device=device),
        "encoder_hidden_states": torch.randn(context, generator=generator).to(device, dtype),
        "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]] * BATCH, device=device, dtype=dtype),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "unet_forward", rounds=15, arguments=arguments)
