"""The neighbours of temporal attention, forward and in training: what each fused one saves, and the whole sub-block.

python -m benchmarks.kernels neighbours
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

import torch
from exvideo_eval import Metric, Result
from torch import Tensor

from benchmarks.agreement import agree
from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.kernels.ceilings import Ceilings, ceilings
from benchmarks.kernels.contenders import Case
from benchmarks.kernels.contests import CONTESTS, OURS, Compute, Contest, Tensors
from benchmarks.kernels.temporal_attention import FLOOR, left_out
from benchmarks.medians import Medians, median_metric, memory_metrics, timing_metrics
from benchmarks.stopwatch import Contender, alternate, kernel_clock, peak_bytes

# On a CPU more than a cache holds, or the first of a round would read from memory what the others find in the cache.
CASES = {
    "cpu": (Case(40, 1024, batch=2, channels=64, num_heads=1),),
    "cuda": (
        Case(128, 4096),
        Case(128, 1024, channels=640, num_heads=10),
        Case(128, 256, channels=1280, num_heads=20),
        Case(25, 4096, batch=2),
    ),
}
DIRECTIONS = ("forward", "training")


@dataclass(frozen=True)
class Program:
    """One contender in one contest, on the tensors of one case."""

    compute: Compute
    tensors: Tensors
    uses: tuple[str, ...]
    case: Case

    def forward(self) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return self.compute(self.tensors, self.case.num_frames, self.case.num_heads)

    def training(self) -> Callable[[], tuple[Tensor, ...]]:
        """A function that runs forward and backward and gives the gradients by all that is used."""
        leaves = {name: getattr(self.tensors, name).detach().requires_grad_() for name in self.uses}
        tensors = replace(self.tensors, **leaves)
        outputs = self.forward()
        generator = torch.Generator(outputs[0].device).manual_seed(1)
        drawn = torch.cat(outputs, dim=-1).normal_(generator=generator)  # the same however the channels are cut up
        gradients = [part.contiguous() for part in drawn.split([out.shape[-1] for out in outputs], dim=-1)]

        def train() -> tuple[Tensor, ...]:
            outputs = self.compute(tensors, self.case.num_frames, self.case.num_heads)
            return torch.autograd.grad(outputs, list(leaves.values()), gradients)

        return train


def measure(conditions: Conditions, cases: Sequence[Case] | None = None) -> Result:
    """Times every contest at every size in both directions; the sizes are the device's own if none are given."""
    cases = CASES[conditions.device] if cases is None else cases
    limits = ceilings(conditions.torch_device, conditions.torch_dtype)
    metrics: list[Metric] = []
    absences: dict[str, dict[str, str]] = {}
    for case in cases:
        tensors = random_tensors(case, conditions.torch_device, conditions.torch_dtype)
        for contest in CONTESTS:
            running, reasons = runnable(contest, tensors, case)
            for name, why in reasons.items():
                absences.setdefault(f"{contest.name}: {name}", {})[case.title] = why
            for direction in DIRECTIONS:
                metrics += _measure_direction(conditions, contest, case, limits, direction, running)
    protocol = {
        "cases": [asdict(case) for case in cases],
        "contests": {contest.name: contest.counted() for contest in CONTESTS},
        "floor": FLOOR,
        "copied_bytes": limits.copied_bytes,
        "matmul_flops": limits.flops,
        "clock": "events, cache emptied before each call" if conditions.device == "cuda" else "wall clock",
        "inputs": "standard normal, weights over the root of their inputs, seed 0, drawn on the device",
    }
    return Result.measured_here(
        kind="kernel",
        name="neighbours of temporal attention",
        protocol=conditions.protocol() | protocol,
        metrics=tuple(metrics),
        notes=tuple(left_out(absences, len(cases))),
    )


def random_tensors(case: Case, device: torch.device, dtype: torch.dtype) -> Tensors:
    """The inputs of a sub-block."""
    generator = torch.Generator(device).manual_seed(0)
    width = case.channels
    activation = (case.batch * case.num_frames, case.positions, width)
    shapes = {"tokens": activation, "residual": activation, "rows": (case.num_frames, width)}
    shapes |= dict.fromkeys(("to_q", "to_k", "to_v", "to_out"), (width, width))
    drawn = {}
    for field in fields(Tensors):
        shape = shapes.get(field.name, (width,))
        scale = width**-0.5 if shape == (width, width) else 1.0
        drawn[field.name] = torch.randn(shape, generator=generator, device=device, dtype=dtype) * scale
    return Tensors(**drawn)


def runnable(contest: Contest, tensors: Tensors, case: Case) -> tuple[dict[str, Program], dict[str, str]]:
    """Those that run in both directions, and why each of the others does not; what they compute must agree."""
    running, reasons = {}, {}
    outputs: dict[str, list[Tensor]] = {}
    for name, compute in contest.on(tensors.tokens.device).items():
        program = Program(compute, tensors, contest.uses, case)
        try:
            outputs[name] = [torch.cat(program.forward(), dim=-1), *program.training()()]
        except (RuntimeError, ValueError, NotImplementedError) as error:
            if name == OURS:
                raise
            reasons[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            gc.collect()  # what an out-of-memory error still holds
        else:
            running[name] = program
    for place in range(1 + len(contest.uses)):
        agree({name: tensors[place] for name, tensors in outputs.items()})
    return running, reasons


def _measure_direction(
    conditions: Conditions,
    contest: Contest,
    case: Case,
    limits: Ceilings,
    direction: str,
    programs: dict[str, Program],
) -> list[Metric]:
    what = f"{direction} {contest.name} {case.title}"
    contenders: dict[str, Contender] = {
        name: program.forward if direction == "forward" else program.training() for name, program in programs.items()
    }
    peers = [name for name in contenders if name != OURS]
    clock = kernel_clock(conditions.torch_device)
    times = alternate(contenders | limits.contenders, clock, rounds=conditions.rounds, warmup=conditions.warmup)
    work = contest.work(direction, case, conditions.torch_dtype.itemsize)

    def floor(seconds: Medians) -> float:
        return limits.floor(seconds, *work)

    peaks = {name: peak_bytes(call, conditions.torch_device) for name, call in contenders.items()}
    return [
        *timing_metrics({name: times[name] for name in contenders}, peers, unit="ms", what=what),
        median_metric(times, lambda seconds: floor(seconds) * 1e3, f"{what}: floor", "ms", "neutral"),
        median_metric(times, lambda s: floor(s) / s[OURS], f"{what}: floor / {OURS}", "x", "higher"),
        *memory_metrics(peaks, peers, what=what),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "attention_neighbours", rounds=15, arguments=arguments)
