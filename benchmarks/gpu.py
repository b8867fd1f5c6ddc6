"""The first minutes on a GPU, in one command: tests, attention, the UNet of true size, Wan, a killed run, the sampler.

    make gpu        or        python -m benchmarks.gpu [--output out/gpu] [--seconds 460]

Steps run in the order of what is most wanted, each in a process of its own with a limit of its own; one that does not
fit in the time that is left is not started, and said. What comes of it: the results of the steps, gpu.json (whether
each step passed, and its seconds, of schema exvideo.result/2), and report.md, one page.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from exvideo_eval import Metric, Result

from benchmarks.command_line import as_table

ROOT = Path(__file__).parents[1]
SECONDS = 460  # of all steps: under eight minutes
LAST_LINES = 12


@dataclass(frozen=True)
class Step:
    """Something to run.

    Args:
        name: in words.
        command: of a process; 0 says that it passed.
        seconds: its limit.
        results: files of schema exvideo.result/2 that it writes, in the output folder.
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step: "passed", "failed", "stopped" at its limit, or "not started"."""

    step: Step
    state: str
    seconds: float
    said: str


def steps(output: Path, device: str) -> list[Step]:
    """The steps in their order; on a CPU the same at small size, to try the command."""
    python, to = (sys.executable, "-m"), ("--output", str(output), "--device", device)
    on_a_gpu = device == "cuda"
    lengths = ("25", "64", "128", "256") if on_a_gpu else ("8",)
    tests = ("packages/exvideo-blocks/tests/kernels", "packages/exvideo-blocks/tests/test_on_a_gpu.py")
    return [
        Step("tests on a GPU", (*python, "pytest", "-q", "-m", "gpu", "-n", "4", *tests), 150),
        Step(
            "temporal attention",
            (*python, "benchmarks.kernels", "temporal_attention", *to, "--rounds", "9", "--frames", *lengths),
            150,
            ("temporal_attention.json",),
        ),
        Step(
            "UNet of true size",
            (*python, "benchmarks.unet.true_size", *to, "--rounds", "3"),
            170,
            ("unet_true_size.json",),
        ),
        Step(
            "a LoRA of Wan, against peft",
            (*python, "benchmarks.training.lora", *to, "--rounds", "3"),
            160,
            ("training_lora.json",),
        ),
        Step(
            "a trainer, killed and resumed",
            (*python, "benchmarks.gpu", "--step", "trainer", *to),
            90 if on_a_gpu else 400,
        ),
        Step("the sampler, with offload", (*python, "benchmarks.gpu", "--step", "sampler", *to), 60),
    ]


def run_all(todo: Sequence[Step], seconds: float) -> list[Outcome]:
    """Runs steps one after the other, within so many seconds."""
    ends = time.monotonic() + seconds
    outcomes = []
    for step in todo:
        left = ends - time.monotonic()
        if left < min(20, step.seconds):
            outcomes.append(Outcome(step, "not started", 0.0, f"{max(left, 0):.0f} s were left"))
            continue
        print(f"{step.name} ...", flush=True)
        outcomes.append(_run(step, min(step.seconds, left)))
        print(f"{step.name}: {outcomes[-1].state} after {outcomes[-1].seconds:.0f} s", flush=True)
    return outcomes


def _run(step: Step, limit: float) -> Outcome:
    started = time.monotonic()
    process = subprocess.Popen(
        step.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=limit)
        state = "passed" if process.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        state = f"stopped at its limit of {limit:.0f} s"
    return Outcome(step, state, time.monotonic() - started, "\n".join(said.strip().splitlines()[-LAST_LINES:]))


def summary(outcomes: Sequence[Outcome], device: str) -> Result:
    """Of all steps, as a result."""
    metrics = []
    for outcome in outcomes:
        metrics.append(Metric(f"{outcome.step.name}: passed", float(outcome.state == "passed"), "", "higher"))
        metrics.append(Metric(f"{outcome.step.name}: time", outcome.seconds, "s", "neutral"))
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    protocol = {"device": name, "dtype": "each step's own", "threads": torch.get_num_threads(), "rounds": 1}
    return Result.measured_here(
        kind="gpu",
        name="first minutes",
        protocol=protocol,
        metrics=tuple(metrics),
        notes=tuple(f"{outcome.step.name}: {outcome.state}" for outcome in outcomes),
    )


def report(outcomes: Sequence[Outcome], output: Path, device: str) -> str:
    """One page: what passed, what did not and what it said, what was not run, and the figures that were measured."""
    small = "a CPU, at small size: nothing of it says how a GPU does"
    name = torch.cuda.get_device_name() if device == "cuda" else small
    lines = ["# First minutes on a GPU", "", f"On {name}; torch {torch.__version__}.", ""]
    lines += ["| step | outcome | seconds |", "| --- | --- | --- |"]
    lines += [f"| {outcome.step.name} | {outcome.state} | {outcome.seconds:.0f} |" for outcome in outcomes]
    for outcome in outcomes:
        lines += ["", f"## {outcome.step.name}", ""]
        if outcome.state != "passed":
            lines += [f"Could not be run to its end ({outcome.state}). The last lines:", ""]
        lines += ["```", outcome.said, "```"]
        for file in outcome.step.results:
            if outcome.state == "passed" and (output / file).is_file():
                lines += ["", "```", as_table(Result.load(output / file)), "```"]
    return "\n".join(lines) + "\n"


# --- steps that are programs of this file -----------------------------------------------------------------------------


def train_killed_and_resumed(output: Path, device: str) -> int:
    """A run of the embedded base that is killed after its first checkpoint, then started again.

    Returns:
        0 if all steps are there, and their losses are those of an unbroken run to 1e-3.
    """
    clips = output / "clips"
    world = [sys.executable, "-m", "tiny_world.world", "--output", str(clips), "--clips", "8", "--frames", "16"]
    subprocess.run([*world, "--split", "train"], cwd=ROOT, check=True)
    count = 40 if device == "cuda" else 6
    config = {
        "base": "embedded",
        "extension": {"num_frames": 16, "positions": "continued"},
        "data": {"videos": str(clips), "size": [64, 64], "cache": str(output / "latents")},
        "optimizer": {"steps": count, "batch_size": 2, "learning_rate": 3e-4},
        "engine": {"precision": "bf16" if device == "cuda" else "fp32", "gradient_checkpointing": True},
        "checkpoint": {"every": count // 2},
    }
    losses = {}
    for name in ("unbroken", "killed"):
        folder = output / name
        path = output / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config | {"output": str(folder)}), encoding="utf-8")
        command = [sys.executable, "-m", "exvideo_train", "--config", str(path)]
        if name == "killed":
            _kill_after_a_checkpoint(command, folder / "checkpoints")
        subprocess.run(command, cwd=ROOT, check=True)
        losses[name] = _losses(folder / "metrics.jsonl")
    whole, broken = losses["unbroken"], losses["killed"]
    if sorted(broken) != list(range(1, count + 1)):
        print(f"The killed run has steps {sorted(broken)}, not 1 to {count}.")
        return 1
    apart = max(abs(whole[step] - broken[step]) for step in whole)
    print(f"Killed after step {count // 2} and resumed: losses differ by at most {apart:.1e} from the unbroken run's.")
    return 0 if apart <= 1e-3 else 1


def _kill_after_a_checkpoint(command: list[str], checkpoints: Path) -> None:
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    while process.poll() is None and not any(checkpoints.glob("step-*")):
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _losses(path: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def sample(output: Path, device: str) -> int:
    """A clip of the embedded model in half precision on a GPU, by the pipeline, with its parts offloaded."""
    from exvideo_infer import ExVideoPipeline

    dtype = torch.float16 if device == "cuda" else torch.float32
    pipeline = ExVideoPipeline.from_pretrained("embedded", torch_dtype=dtype)
    if not hasattr(pipeline, "enable_model_cpu_offload"):
        print("ExVideoPipeline has no enable_model_cpu_offload yet: sampled with all of it on the device.")
        pipeline.to(device)
    else:
        pipeline.enable_model_cpu_offload()
    clip = pipeline(prompt="a red circle bounces", num_frames=8, num_inference_steps=4, output_type="pt")
    finite = bool(torch.as_tensor(clip.frames).isfinite().all())
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    print(f"{tuple(clip.frames.shape)} frames, {'finite' if finite else 'not finite'}, peak {peak:.2f} GiB.")
    return 0 if finite else 1


PROGRAMS = {"trainer": train_killed_and_resumed, "sampler": sample}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all steps, or one program of this file; 1 if a step did not pass, 2 where there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("out/gpu"), metavar="FOLDER")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: small, to try the command")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all steps; default: %(default)s")
    parser.add_argument("--step", choices=tuple(PROGRAMS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no GPU here: give --device cpu to try the command at small size.", file=sys.stderr)
        return 2
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    if options.step:
        return PROGRAMS[options.step](output, options.device)
    outcomes = run_all(steps(output, options.device), options.seconds)
    return finish(outcomes, output, options.device)


def finish(outcomes: Sequence[Outcome], output: Path, device: str) -> int:
    """Writes gpu.json and report.md; 1 if a step did not pass."""
    summary(outcomes, device).save(output / "gpu.json")
    page = report(outcomes, output, device)
    temporary = output / ".report.md.tmp"
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, output / "report.md")
    print(f"\n{page}\n{output / 'report.md'}")
    return int(any(outcome.state != "passed" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
