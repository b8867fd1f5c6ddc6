"""Rounds of processes that measure both versions, and the base once more."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exvideo_eval.ab.environments import Environment
from exvideo_eval.ab.interleaved import last_lines, run_interleaved
from exvideo_eval.ab.pytest_benchmark import read_times
from exvideo_eval.ab.sides import BASE, CONTROL, HEAD, SIDES, Found, failed_process
from exvideo_eval.harness.order import rotated

PLAIN, PYTEST = "plain", "pytest-benchmark"


@dataclass(frozen=True)
class Task:
    """A process's work.

    Args:
        suite: file or folder, apart from both versions' files.
        harness: PLAIN (functions of one argument) or PYTEST (pytest-benchmark's).
        seconds: that a side's turns of a timing take in a round.
        limit: seconds until a process that says nothing is given up.
    """

    suite: Path
    harness: str = PLAIN
    seconds: float = 0.3
    limit: float = 600.0


def measure(
    environments: Mapping[str, Environment], task: Task, rounds: int, folder: Path, told: Callable[[str], None]
) -> dict[str, list[Found]]:
    """Runs every side once a round, each time in new processes.

    Processes of a plain suite live side by side and take turns at every timing; those of pytest-benchmark, which cannot
    be stopped in the middle, run one after the other in rotated order.

    Args:
        environments: of base and head; the control is the base's.
        folder: for files in passing.
        told: is told of each round.

    Returns:
        Of each side, one `Found` a round.
    """
    of_side = {BASE: environments[BASE], CONTROL: environments[BASE], HEAD: environments[HEAD]}
    found: dict[str, list[Found]] = {side: [] for side in SIDES}
    for number in range(rounds):
        told(f"round {number + 1} of {rounds}")
        if task.harness == PYTEST:
            once = {side: _run_pytest(of_side[side], task, folder / f"{side}.json") for side in rotated(SIDES, number)}
        else:
            once = run_interleaved(of_side, task.suite, task.seconds, task.limit, folder, number)
        for side, one in once.items():
            found[side].append(one)
    return found


def _run_pytest(environment: Environment, task: Task, output: Path) -> Found:
    output.unlink(missing_ok=True)
    options = ["--benchmark-only", f"--benchmark-json={output}", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [environment.python, "-m", "pytest", str(task.suite), f"--rootdir={task.suite.parent}", *options],
            cwd=environment.version.folder,
            env=dict(environment.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=task.limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return failed_process(f"took more than {task.limit:.0f} s")
    times = read_times(output) if output.is_file() and output.stat().st_size else []
    said = f"exit status {done.returncode}: {last_lines(done.stdout)}"
    return Found(times=times, failed={"pytest": said} if done.returncode else {})


def require_own_code(
    found: Mapping[str, Sequence[Found]], environments: Mapping[str, Environment], repository: Path
) -> None:
    """Checks that each version ran its own code, where it is run from its files and not installed.

    Raises:
        ValueError: a version imported nothing of its own, or something of the repository's present files, so that both
            sides would have run the same code.
    """
    for side in (BASE, HEAD):
        root, present = environments[side].version.folder.resolve(), repository.resolve()
        named = (Path(file) for file in found[side][0].modules)
        files = [path.resolve() for path in named if path.is_absolute()]  # torch gives some of its own relative names
        stray = [file for file in files if file.is_relative_to(present) and "site-packages" not in file.parts]
        if stray:
            raise ValueError(f"At {side} the suite imported {stray[0]}, which is not the version's: give its --path.")
        if files and not any(file.is_relative_to(root) for file in files):
            raise ValueError(
                f"At {side} the suite imported no file of the version, so both sides ran what is installed here: give "
                "--path, the folders to import from, or --env venv."
            )
