"""One process a side, alive at the same time, of which one at a time works: turns of some hundredths of a second.

Whatever the machine does meanwhile lasts longer than a turn, so it falls on all sides, and cancels in their ratio.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exvideo_eval.ab.environments import HARNESS, Environment
from exvideo_eval.ab.sides import Found, failed_process
from exvideo_eval.harness.order import rotated
from exvideo_eval.harness.turns import FEWEST_TURNS

LAST_LINES = 3


class SideProcess:
    """A process of one side that runs the suite, connected by a pair of sockets.

    Attributes:
        timing: place in the suite and name of the timing that it waits to take turns of; None if it waits at none.
        found: what it found; None until it has ended.
    """

    def __init__(self, environment: Environment, suite: Path, log: Path, limit: float, cpu: int | None) -> None:
        self._log = log
        self._limit = limit
        self.timing: tuple[list[int], str] | None = None
        self.found: Found | None = None
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(limit)
        self._told = self._socket.makefile("r", encoding="utf-8")
        self._saying = self._socket.makefile("w", encoding="utf-8")
        with theirs, log.open("w") as said:
            pinned = [] if cpu is None else ["--cpu", str(cpu)]
            self._process = subprocess.Popen(
                [environment.python, "-m", HARNESS, str(suite), "--socket", str(theirs.fileno()), *pinned],
                cwd=environment.version.folder,
                env=dict(environment.variables),
                stdout=said,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
            )

    def wait(self) -> None:
        """Waits until it is at a timing, or has ended."""
        message = self._hear()
        if message is not None and "timing" in message:
            self.timing = (message["place"], message["timing"])
        elif message is not None:
            self._end(Found(**message["found"]))

    def turn(self) -> bool:
        """Gives it a turn; False if it has ended instead."""
        self._say("turn")
        return self._hear() is not None

    def done(self) -> None:
        """Lets it go on behind the timing."""
        self.timing = None
        self._say("done")

    def close(self) -> None:
        """Ends the process, if it has not."""
        self._socket.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _say(self, word: str) -> None:
        if self.found is not None:
            return
        try:
            self._saying.write(word + "\n")
            self._saying.flush()
        except OSError:
            self._end(self._crashed())

    def _hear(self) -> dict[str, Any] | None:
        if self.found is not None:
            return None
        try:
            line = self._told.readline()
        except TimeoutError:
            self._process.kill()
            self._end(failed_process(f"said nothing for {self._limit:.0f} s"))
            return None
        except OSError:
            line = ""
        if not line:
            self._end(self._crashed())
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def _crashed(self) -> Found:
        status = self._process.wait()
        return failed_process(f"exit status {status}: {last_lines(self._log.read_text(errors='replace'))}")

    def _end(self, found: Found) -> None:
        self.found, self.timing = found, None


def run_interleaved(
    environments: Mapping[str, Environment], suite: Path, seconds: float, limit: float, folder: Path, number: int
) -> dict[str, Found]:
    """One round: what each side's process found.

    Args:
        environments: of each side.
        suite: file or folder.
        seconds: that each side's turns of one timing take.
        limit: seconds until a silent process is given up.
        folder: for what the processes say.
        number: of the round, by which the order is rotated.
    """
    cpu = _cpu_of(environments, number)
    processes = {
        side: SideProcess(environment, suite, folder / f"{side}.log", limit, cpu)
        for side, environment in environments.items()
    }
    try:
        while unfinished := [process for process in processes.values() if process.found is None]:
            for process in unfinished:
                if process.timing is None:
                    process.wait()
            _pass_timing(processes, seconds, number)
        return {side: process.found or Found() for side, process in processes.items()}
    finally:
        for process in processes.values():
            process.close()


def _pass_timing(processes: Mapping[str, SideProcess], seconds: float, number: int) -> None:
    """Turns of the first timing at which a side waits; none where a side lacks it, as its function failed."""
    waiting = {side: process.timing for side, process in processes.items() if process.timing is not None}
    if not waiting:
        return
    first = min(waiting.values())
    there = [side for side, timing in waiting.items() if timing == first]
    if len(there) == len(processes):
        _hand_out(processes, seconds, number)
    for side in there:
        processes[side].done()


def _hand_out(processes: Mapping[str, SideProcess], seconds: float, number: int) -> None:
    """Turns in rotated order, whole rounds of them, until each side has taken about so many seconds."""
    taken, turns = 0.0, 0
    while turns < FEWEST_TURNS or taken < seconds * len(processes):
        started = time.perf_counter()
        for side in rotated(list(processes), turns + number):
            if not processes[side].turn():
                return
        taken += time.perf_counter() - started
        turns += 1


def _cpu_of(environments: Mapping[str, Environment], number: int) -> int | None:
    """One CPU for a round's turns, each round's another; None with several threads, or where the system cannot."""
    if not hasattr(os, "sched_getaffinity") or any(one.threads > 1 for one in environments.values()):
        return None
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[number % len(cpus)]


def last_lines(text: str) -> str:
    """The last few lines of what a process said, in one."""
    return " / ".join(text.strip().splitlines()[-LAST_LINES:])
