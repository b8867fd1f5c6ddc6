"""Temporal attention, forward and backward: ours on token-major activations, PyTorch's SDPA, and the floor.

python -m benchmarks.kernels
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from exvideo_blocks.kernels.temporal_attention import temporal_attention
from exvideo_eval import Metric, Result
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.agreement import agree
from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.kernels.ceilings import Ceilings, ceilings
from benchmarks.medians import Medians, median_metric, memory_metrics, timing_metrics
from benchmarks.stopwatch import Contender, alternate, kernel_clock, peak_bytes

OURS = "ours, token-major"
DIFFUSERS = "SDPA with diffusers' permutes"
PERMUTED = "SDPA on permuted inputs"

# Activations read or written and multiply-adds of (frames x frames x head_dim), in the best program: forward reads
# q, k, v and writes o in two products; backward reads q, k, v, do and writes dq, dk, dv in five.
WORK = {"forward": (4, 2), "backward": (7, 5)}

CONTENDERS = {
    OURS: "q, k, v and o as (batch * frames, positions, channels)",
    DIFFUSERS: "one activation permuted in and one out, as its temporal block does once for all of its layers",
    PERMUTED: "q, k, v and o as contiguous (batch * positions, heads, frames, head_dim); its permutes are not timed",
}


PEERS = (DIFFUSERS, PERMUTED)


@dataclass(frozen=True)
class Case:
    """One size: `positions` = height * width."""

    num_frames: int
    positions: int
    batch: int = 1
    channels: int = 320
    num_heads: int = 5

    @property
    def title(self) -> str:
        return f"T={self.num_frames} S={self.positions} batch={self.batch}"

    def work(self, direction: str, itemsize: int) -> tuple[int, int]:
        """Bytes that must be read or written, and FLOPs."""
        activations, products = WORK[direction]
        numbers = self.batch * self.num_frames * self.positions * self.channels
        return activations * numbers * itemsize, 2 * products * numbers * self.num_frames


# On a CPU about as many tokens at each length, so that every case moves the same bytes, more than a cache holds.
# The batch of two is what guidance makes of one clip.
CASES = {
    "cpu": (Case(8, 2048), Case(25, 655), Case(40, 410), Case(128, 128), Case(40, 205, batch=2)),
    "cuda": (Case(8, 4096), Case(25, 4096), Case(40, 4096), Case(128, 4096), Case(40, 4096, batch=2)),
}


@dataclass(frozen=True)
class Program:
    """One way to compute attention, with inputs and an output gradient in its own layout."""

    attend: Callable[[Tensor, Tensor, Tensor], Tensor]
    inputs: tuple[Tensor, Tensor, Tensor]
    gradient: Tensor

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self.attend(*self.inputs)

    def prepare_backward(self) -> Callable[[], tuple[Tensor, ...]]:
        """Runs forward once; what is returned runs backward alone, as often as it is called."""
        inputs = [tensor.detach().requires_grad_() for tensor in self.inputs]
        output = self.attend(*inputs)
        return lambda: torch.autograd.grad(output, inputs, self.gradient, retain_graph=True)


def programs(case: Case, device: torch.device, dtype: torch.dtype) -> dict[str, Program]:
    """Every contender on the same numbers, ours first."""
    generator = torch.Generator().manual_seed(0)
    shape = (case.batch * case.num_frames, case.positions, case.channels)
    q, k, v, do = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(4))
    heads = case.num_heads

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return temporal_attention(q, k, v, num_frames=case.num_frames, num_heads=heads).contiguous()

    def diffusers(tokens: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows = to_rows(tokens, case.num_frames)
        attended = scaled_dot_product_attention(*(x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (rows, k, v)))
        return to_tokens(attended.transpose(1, 2).flatten(2), case.positions)

    def per_head(tokens: Tensor) -> Tensor:
        return to_rows(tokens, case.num_frames).unflatten(-1, (heads, -1)).transpose(1, 2).contiguous()

    return {
        OURS: Program(ours, (q, k, v), do),
        DIFFUSERS: Program(diffusers, (q, to_rows(k, case.num_frames), to_rows(v, case.num_frames)), do),
        PERMUTED: Program(scaled_dot_product_attention, (per_head(q), per_head(k), per_head(v)), per_head(do)),
    }


def to_rows(tokens: Tensor, num_frames: int) -> Tensor:
    """(batch * frames, positions, channels) -> (batch * positions, frames, channels), in memory of that layout."""
    return tokens.unflatten(0, (-1, num_frames)).transpose(1, 2).flatten(0, 1).contiguous()


def to_tokens(rows: Tensor, positions: int) -> Tensor:
    """The inverse of `to_rows`."""
    return rows.unflatten(0, (-1, positions)).transpose(1, 2).flatten(0, 1).contiguous()


def measure(conditions: Conditions, cases: Sequence[Case] | None = None) -> Result:
    """Times every case in both directions; the sizes are the device's own if none are given."""
    cases = CASES[conditions.device] if cases is None else cases
    limits = ceilings(conditions.torch_device, conditions.torch_dtype)
    metrics = [metric for case in cases for metric in _measure_case(conditions, case, limits)]
    protocol = {
        "cases": [asdict(case) for case in cases],
        "contenders": CONTENDERS,
        "floor": "max(bytes / copy bandwidth, FLOPs / matmul rate), both timed in the rounds of the kernel",
        "work": {name: list(work) for name, work in WORK.items()},
        "copied_bytes": limits.copied_bytes,
        "matmul_flops": limits.flops,
        "clock": "events, cache emptied before each call" if conditions.device == "cuda" else "wall clock",
        "inputs": "standard normal, seed 0",
    }
    return Result.measured_here(
        kind="kernel", name="temporal attention", protocol=conditions.protocol() | protocol, metrics=tuple(metrics)
    )


def _measure_case(conditions: Conditions, case: Case, limits: Ceilings) -> list[Metric]:
    by_name = programs(case, conditions.torch_device, conditions.torch_dtype)
    agree({name: by_name[name].forward() for name in (OURS, DIFFUSERS)})
    metrics = _measure_direction(
        conditions, case, limits, "forward", {name: program.forward for name, program in by_name.items()}
    )
    return metrics + _measure_direction(
        conditions, case, limits, "backward", {name: program.prepare_backward() for name, program in by_name.items()}
    )


def _measure_direction(
    conditions: Conditions, case: Case, limits: Ceilings, direction: str, contenders: dict[str, Contender]
) -> list[Metric]:
    what = f"{direction} {case.title}"
    times = alternate(
        contenders | limits.contenders,
        kernel_clock(conditions.torch_device),
        rounds=conditions.rounds,
        warmup=conditions.warmup,
    )
    work = case.work(direction, conditions.torch_dtype.itemsize)

    def floor(seconds: Medians) -> float:
        return limits.floor(seconds, *work)

    return [
        *timing_metrics({name: times[name] for name in contenders}, PEERS, unit="ms", what=what),
        median_metric(times, lambda seconds: floor(seconds) * 1e3, f"{what}: floor", "ms", "neutral"),
        median_metric(times, lambda s: floor(s) / s[OURS], f"{what}: floor / {OURS}", "x", "higher"),
        *memory_metrics(
            {name: peak_bytes(call, conditions.torch_device) for name, call in contenders.items()}, PEERS, what=what
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "temporal_attention", rounds=15, arguments=arguments)
