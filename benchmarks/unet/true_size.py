"""The extended UNet of Stable Video Diffusion at its true size: forward, checkpointed step, memory, kinds of work.

python -m benchmarks.unet.true_size [--frames 25 128]

512x512, random weights, one clip, in the dtype of --dtype. The step is forward, backward with checkpointing, and AdamW
on float32 masters of what is trained. On a CPU a network of a few channels stands in, to try the command.
"""

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from exvideo_blocks import ExtensionConfig, compile_blocks, extend
from exvideo_eval import Metric, Result
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.command_line import run
from benchmarks.conditions import Conditions, ConditionsError
from benchmarks.stopwatch import peak_bytes, wall_clock

FRAMES = {"cuda": (25, 128), "cpu": (9,)}
SMALL = {"block_out_channels": (32, 64, 64, 64), "num_attention_heads": (2, 2, 2, 2), "cross_attention_dim": 32}
LATENTS = {"cuda": 64, "cpu": 8}
COMPILERS = {"cuda": "inductor", "cpu": "eager"}
# Kinds of work by parts of kernels' names, and of operators' on a CPU; the first that is found decides.
KINDS = {
    "attention": ("attention", "fmha", "flash", "whole_row", "tiled_", "turned_backward", "softmax"),
    "products": ("gemm", "mm", "conv", "cutlass", "xmma", "cublas", "wgrad", "dgrad", "linear"),
    "norms": ("norm", "rowwisemoments"),
    "copies": ("copy", "cat", "nchw", "nhwc", "transpose", "memcpy", "memset", "fill"),
}
OTHERS = "elementwise and others"


def measure(conditions: Conditions, frames: Sequence[int] | None = None) -> Result:
    """Every figure at each length; the device's own lengths if none are given."""
    lengths = FRAMES[conditions.device] if frames is None else tuple(frames)
    metrics: list[Metric] = []
    notes: list[str] = []
    for num_frames in lengths:
        found, said = _measure_length(conditions, num_frames)
        metrics += found
        notes += said
    protocol = {
        "frames": list(lengths),
        "latents": LATENTS[conditions.device],
        "network": "of true size" if conditions.device == "cuda" else "of 32 to 64 channels",
    }
    return Result.measured_here(
        kind="unet",
        name="true size",
        protocol=conditions.protocol() | protocol,
        metrics=tuple(metrics),
        notes=tuple(notes),
    )


def _measure_length(conditions: Conditions, num_frames: int) -> tuple[list[Metric], list[str]]:
    gc.collect()
    device, clock = conditions.torch_device, wall_clock(conditions.torch_device)
    unet = network(conditions, num_frames)
    inputs, title = _inputs(conditions, num_frames, unet.config), f"{num_frames} frames"
    metrics, notes = [], []

    def forward() -> Tensor:
        with torch.no_grad():
            return unet(**inputs, return_dict=False)[0]

    def add(name: str, value: float, unit: str, better: str = "lower") -> None:
        metrics.append(Metric(f"{title}: {name}", value, unit, better, n=conditions.rounds))

    forward()  # once, so that no kernel is compiled while the clock runs
    add("forward", _median(forward, clock, conditions.rounds), "s")
    _add_memory(add, "forward", peak_bytes(forward, device))
    for kind, share in shares(forward, device).items():
        add(f"forward, share of {kind}", share, "", "neutral")
    step = training_step(unet, inputs)
    step()
    add("step, checkpointed", _median(step, clock, max(1, conditions.rounds // 2)), "s")
    _add_memory(add, "step, checkpointed", peak_bytes(step, device))
    unet.disable_gradient_checkpointing()
    unet.eval().zero_grad(set_to_none=True)
    del step
    eager = forward()
    blocks, started = compile_blocks(unet, backend=COMPILERS[conditions.device]), time.perf_counter()
    compiled = forward()
    add("compiling by block", time.perf_counter() - started, "s", "neutral")
    add("forward, compiled by block", _median(forward, clock, conditions.rounds), "s")
    apart = float((compiled - eager).abs().max() / eager.abs().max())
    notes.append(f"{title}: {blocks}; compiled and eager differ by {apart:.1e} of the largest value.")
    return metrics, notes


def network(conditions: Conditions, num_frames: int) -> Any:
    """Stable Video Diffusion's UNet, or a small one on a CPU, extended; of random weights."""
    from diffusers import UNetSpatioTemporalConditionModel

    config: dict[str, Any] = {} if conditions.device == "cuda" else SMALL
    torch.manual_seed(0)
    with torch.device(conditions.torch_device):
        unet: Any = UNetSpatioTemporalConditionModel(num_frames=min(25, num_frames - 1), **config)
    unet.to(conditions.torch_device, conditions.torch_dtype).eval()
    extend(unet, ExtensionConfig(num_frames)).trainable_parameters(context_tokens=1)
    return unet


def training_step(unet: Any, inputs: dict[str, Tensor]) -> Callable[[], None]:
    """Makes the network ready for training; what is returned makes a step."""
    unet.train()
    unet.enable_gradient_checkpointing()
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    masters = [parameter.detach().float().requires_grad_() for parameter in trained]
    optimizer = torch.optim.AdamW(masters, lr=1e-6, fused=trained[0].is_cuda)

    def step() -> None:
        unet(**inputs, return_dict=False)[0].float().square().mean().backward()
        for master, parameter in zip(masters, trained, strict=True):
            master.grad, parameter.grad = None if parameter.grad is None else parameter.grad.float(), None
        optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(trained, masters)

    return step


def shares(call: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """The share of each kind of work in the device's time during a call."""
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        microseconds = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        spent[kind_of(event.key)] += microseconds
    total = sum(spent.values())
    return {kind: spent[kind] / total for kind in (*KINDS, OTHERS)} if total else {}


def kind_of(name: str) -> str:
    """Of a kernel or an operator, by its name."""
    return next((kind for kind, parts in KINDS.items() if any(part in name.lower() for part in parts)), OTHERS)


def _median(call: Callable[[], Any], clock: Callable[[Callable[[], Any]], float], rounds: int) -> float:
    return sorted(clock(call) for _ in range(rounds))[rounds // 2]


def _add_memory(add: Callable[..., None], what: str, peak: int | None) -> None:
    if peak is not None:
        add(f"{what}, peak memory beyond weights", peak / 2**30, "GiB")


def _inputs(conditions: Conditions, num_frames: int, config: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = LATENTS[conditions.device]
    device, dtype = conditions.torch_device, conditions.torch_dtype
    return {
        "sample": torch.randn(1, num_frames, config.in_channels, size, size, generator=generator).to(device, dtype),
        "timestep": torch.tensor(0.5, device=device),
        "encoder_hidden_states": torch.randn(1, 1, config.cross_attention_dim, generator=generator).to(device, dtype),
        "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]], device=device, dtype=dtype),
    }


def _add_frames(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, nargs="+", metavar="T", help="lengths to measure")


def main(arguments: Sequence[str] | None = None) -> int:
    def chosen(conditions: Conditions, options: argparse.Namespace) -> Result:
        if options.frames and min(options.frames) < 2:
            raise ConditionsError(f"--frames has {min(options.frames)}: give lengths of at least 2.")
        return measure(conditions, options.frames)

    return run(measure, "unet_true_size", rounds=5, arguments=arguments, more=(_add_frames, chosen))


if __name__ == "__main__":
    sys.exit(main())
