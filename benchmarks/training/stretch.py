"""A stretch of a run of ours, with all that it does beside its steps, against a bare PyTorch loop.

python -m benchmarks.training
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from exvideo_blocks import header_of
from exvideo_eval import Metric, Result
from exvideo_train.checkpoints.writer import CheckpointWriter, Export
from exvideo_train.display import Display
from exvideo_train.loop import Run, loop
from exvideo_train.pace import Pace
from exvideo_train.stop import Requests
from exvideo_train.tracking.metrics_file import parse
from exvideo_train.validation import Validation

from benchmarks.command_line import run
from benchmarks.conditions import Conditions
from benchmarks.medians import median_metric, timing_metrics
from benchmarks.stopwatch import alternate, wall_clock
from benchmarks.training.step import CLIPS, SIZES, Contest, Size, footage_note, protocol_of

STEPS = 20
SAVES = 5  # in a stretch of `OFTEN`
NEVER = 1_000_000_000  # steps: so that only the end of a stretch is saved
OURS, OFTEN, BARE = "ours", f"ours, {SAVES} checkpoints", "bare loop"

CONTENDERS = {
    OURS: "exvideo_train.loop: its steps recorded in metrics.jsonl and MLflow, an evaluation and a checkpoint at the "
    "end, on the disk before the stretch is over",
    OFTEN: f"the same with {SAVES} checkpoints, written beside the steps that follow",
    BARE: "benchmarks/training/bare_loop.py, the same evaluation at the end; nothing recorded, nothing saved",
}


class Stretches:
    """Runs stretches of `steps` steps, of our loop and of the bare one.

    Args:
        contest: both programs.
        steps: of a stretch.
    """

    def __init__(self, contest: Contest, steps: int) -> None:
        self.contest, self.steps = contest, steps
        self.bare_seconds: list[float] = []
        config, engine, data = contest.config, contest.engine, contest.data
        tracker = contest.tracker  # makes the folder
        requests = Requests(config.output)
        writer = CheckpointWriter(
            config.output / "checkpoints",
            engine,
            Export(set(contest.engine.parameters), {}, header_of(contest.extension).metadata()),
            identity={},
            clips={},
            keep=config.checkpoint.keep,
            keep_every=None,
            asynchronous=True,
        )
        assert config.validation is not None
        validation = Validation(
            contest.task, config.validation, config, data.cache, data.held_out, contest.processes, requests, base_rows=0
        )
        self.run = Run(
            config,
            contest.task,
            engine,
            data,
            contest.batches,
            contest.state,
            writer,
            validation,
            base=None,
            tracker=tracker,
            display=Display(False),
            requests=requests,
            pace=Pace(config.optimizer.batch_size),
        )

    def ours(self, save_every: int = NEVER) -> None:
        """A stretch of exvideo_train's loop."""
        config, state = self.contest.config, self.contest.state
        optimizer = config.optimizer.model_copy(update={"steps": state.step + self.steps})
        checkpoint = config.checkpoint.model_copy(update={"every": save_every})
        self.run.config = config.model_copy(update={"optimizer": optimizer, "checkpoint": checkpoint})
        self.run.display = Display(False)
        self.run.display.start(state.step, optimizer.steps, CLIPS, self.contest.engine.num_parameters)
        loop(self.run)

    def often(self) -> None:
        """The same, saved `SAVES` times."""
        self.ours(save_every=self.steps // SAVES)

    def bare(self) -> None:
        """A stretch of the bare loop."""
        for _ in range(self.steps):
            started = time.perf_counter()
            self.contest.bare_step()
            self.bare_seconds.append(time.perf_counter() - started)
        validation = self.contest.config.validation
        assert validation is not None
        for clip in self.contest.held_out:
            for sigma in validation.sigmas:
                self.contest.bare.evaluate(clip, sigma)

    def seconds_of_steps(self) -> dict[str, np.ndarray]:
        """Seconds of all steps so far, of both loops; ours as it has recorded them."""
        lines = (self.contest.config.output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        records = [record.figures for record in map(parse, lines) if record is not None]
        recorded = [figures["seconds"] for figures in records if "seconds" in figures]
        return {OURS: np.array(recorded), BARE: np.array(self.bare_seconds)}


def measure(conditions: Conditions, size: Size | None = None, steps: int = STEPS) -> Result:
    """Times stretches in turn; the size is the device's own if none is given."""
    size = SIZES[conditions.device] if size is None else size
    with TemporaryDirectory(prefix="exvideo-bench-") as folder:
        contest = Contest(conditions, size, Path(folder))
        stretches = Stretches(contest, steps)
        contenders = {OURS: stretches.ours, OFTEN: stretches.often, BARE: stretches.bare}
        with contest.engine.attention():
            clock = wall_clock(conditions.torch_device)
            times = alternate(contenders, clock, rounds=conditions.rounds, warmup=conditions.warmup)
        seconds = stretches.seconds_of_steps()
        contest.tracker.close()
        config = contest.config
    counted = conditions.rounds * steps  # without those of the warm-up
    seconds = {OURS: seconds[OURS][-2 * counted :], BARE: seconds[BARE][-counted:]}
    worst = [
        Metric(f"longest / median step, {name}", float(taken.max() / np.median(taken)), "x", better, n=len(taken))
        for (name, taken), better in zip(seconds.items(), ("lower", "neutral"), strict=True)
    ]
    a_save = median_metric(
        times,
        lambda median: (median[OFTEN] - median[OURS]) / (SAVES - 1) / (median[BARE] / steps),
        "what a checkpoint adds, in steps of the bare loop",
        "x",
        "lower",
    )
    assert config.validation is not None
    more = {"steps": steps, "evaluation": {"clips": 1, "sigmas": list(config.validation.sigmas)}}
    return Result.measured_here(
        kind="training",
        name="stretch",
        protocol=conditions.protocol() | protocol_of(config, size, CONTENDERS) | more,
        metrics=(*timing_metrics(times, {BARE}, unit="s"), a_save, *worst),
        data=(footage_note(size),),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "training_stretch", rounds=5, arguments=arguments)
