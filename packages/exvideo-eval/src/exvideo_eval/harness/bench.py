"""The one argument of a suite's functions: counts, times and records figures."""

import math
import reprlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .stopwatch import Stopwatch
from .turns import Alone, Handed

DIRECTIONS = ("lower", "higher", "neutral")


class Bench:
    """Figures of one function of a suite.

    Args:
        title: of the function, put before each figure's name.
        turns: of timings.
        place: of the function in its suite.

    Attributes:
        counts: {"name", "unit", "value", "better"} of each exact figure.
        times: {"name", "wall", "cpu"} of each timing: seconds a call of each turn, on the wall and of CPU time.
    """

    def __init__(self, title: str, turns: Alone | Handed, place: Sequence[int] = ()) -> None:
        self._title = title
        self._turns = turns
        self._place = place
        self.counts: list[dict[str, Any]] = []
        self.times: list[dict[str, Any]] = []

    def record(self, name: str, value: float, unit: str, better: str = "lower") -> None:
        """Takes a number that is exact: the same at every run of one version.

        Args:
            name: of the figure, after the function's.
            value: finite; also a number of NumPy, or an array or tensor of one.
            unit: in words.
            better: lower, higher or neutral.

        Raises:
            ValueError: `value` is no such number, `unit` no text, `better` none of the three, or there is a figure of
                that name.
        """
        if better not in DIRECTIONS:
            raise ValueError(f"{name!r} has better={better!r}: write one of {', '.join(DIRECTIONS)}.")
        if not isinstance(unit, str):
            raise ValueError(f"{name!r} has unit={unit!r}: give text, which may be empty.")
        number = _plain_number(name, value)
        self.counts.append({"name": self._new(name), "unit": unit, "value": number, "better": better})

    def count(self, call: Callable[[], Any], name: str = "") -> Any:
        """Makes the call once, counted as by `counting`, and returns what it does."""
        with self.counting(name):
            return call()

    @contextmanager
    def counting(self, name: str = "") -> Iterator[None]:
        """Counts what is done inside: FLOPs, operators, bytes saved for backward and peak bytes if the suite has
        imported PyTorch, frames decoded if it has imported PyAV.

        Raises:
            ValueError: the suite has imported neither.
        """
        torch, av = "torch" in sys.modules, "av" in sys.modules
        if not (torch or av):
            raise ValueError("There is nothing to count: import torch or av in the suite, or use bench.record.")
        with ExitStack() as stack:
            if torch:
                from .counters import counted

                tensors = stack.enter_context(counted())
            if av:
                from .frames import decoded_frames

                video = stack.enter_context(decoded_frames())
            yield
        figures: list[tuple[str, int, str]] = []
        if torch:
            figures = [
                ("FLOPs", tensors.flops, "FLOPs"),
                ("operators", tensors.operators, "operators"),
                ("saved for backward", tensors.saved_bytes, "bytes"),
                ("peak memory", tensors.peak_bytes, "bytes"),
            ]
        if av:
            figures.append(("frames decoded", video.frames, "frames"))
        for what, value, unit in figures:
            self.record(f"{name}, {what}" if name else what, value, unit)

    def time(self, call: Callable[[], Any], name: str = "time") -> None:
        """Times a call that takes no arguments; it is made many times."""
        full = self._new(name)
        taken = self._turns.take(full, (*self._place, len(self.times)), Stopwatch(call).turn)
        self.times.append({"name": full, "wall": [wall for wall, _ in taken], "cpu": [cpu for _, cpu in taken]})

    def file_bytes(self, path: str | Path, name: str = "") -> None:
        """Records the size of a file, or of all files below a folder.

        Raises:
            ValueError: there is no such file.
        """
        path = Path(path)
        if not path.exists():
            raise ValueError(f"{path} does not exist: write it before bench.file_bytes.")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        self.record(name or f"{path.name}, size", sum(file.stat().st_size for file in files), "bytes")

    def imports(self, module: str) -> None:
        """Records how many modules `import module` loads in a process of its own.

        Raises:
            ValueError: it cannot be imported.
        """
        code = f"import sys; before = set(sys.modules); import {module}; print(len(set(sys.modules) - before))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"import {module} failed: {done.stderr.strip().splitlines()[-1]}.")
        self.record(f"import {module}", int(done.stdout.split()[-1]), "modules")

    def _new(self, name: str) -> str:
        full = f"{self._title}: {name}"
        if any(figure["name"] == full for figure in (*self.counts, *self.times)):
            raise ValueError(f"There is a figure {full!r} already: give each a name of its own.")
        return full


def _plain_number(name: str, value: Any) -> int | float:
    """Python's own number of one of any kind, as JSON knows no other."""
    try:
        if not isinstance(value, Real):
            value = value.item()
        number = int(value) if isinstance(value, Integral) else float(value)
        if math.isfinite(number):
            return number
    except (AttributeError, TypeError, ValueError, OverflowError, RuntimeError):
        pass
    raise ValueError(f"{name!r} is {reprlib.repr(value)}: give one finite number.")
