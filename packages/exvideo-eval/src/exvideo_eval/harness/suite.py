"""A suite: a Python file, or a folder of them, whose functions named `bench_...` take one argument, a `Bench`."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .bench import Bench
from .turns import Alone, Handed

PREFIX = "bench_"


def suite_files(path: Path) -> list[Path]:
    """The file, or a folder's *.py files but those that begin with an underscore, which may hold what they share.

    Raises:
        ValueError: there is no such file, or none in the folder.
    """
    if path.is_file():
        return [path]
    files = sorted(file for file in path.glob("*.py") if not file.name.startswith("_"))
    if not files:
        raise ValueError(f"{path} is no suite: give a Python file, or a folder of them.")
    return files


def run_suite(path: Path, turns: Alone | Handed) -> dict[str, Any]:
    """Runs all functions of a suite; what one raises is noted, and the others are run.

    Returns:
        "counts" and "times" as of `Bench`; "failed": function or file -> exception.
    """
    counts: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for title, function, place in _functions(path, failed):
        bench = Bench(title, turns, place)
        try:
            function(bench)
        except (Exception, SystemExit) as error:  # a program's main may end by sys.exit
            failed[title] = _in_words(error)
            continue
        counts += bench.counts
        times += bench.times
    return {"counts": counts, "times": times, "failed": failed}


def _functions(path: Path, failed: dict[str, str]) -> Iterator[tuple[str, Callable[[Bench], None], tuple[int, int]]]:
    files = suite_files(path)
    sys.path.append(str(files[0].parent))  # last: what is measured goes before what measures
    for number, file in enumerate(files):
        spec = importlib.util.spec_from_file_location(f"_suite_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            failed[file.name] = _in_words(error)
            continue
        for name, value in list(vars(module).items()):
            if name.startswith(PREFIX) and callable(value) and value.__module__ == module.__name__:
                yield name.removeprefix(PREFIX).replace("_", " "), value, (number, _line(value))


def _line(function: Callable[..., Any]) -> int:
    return inspect.unwrap(function).__code__.co_firstlineno


def _in_words(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
