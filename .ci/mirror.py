"""Tests mirror the source: each module of a package, and each of its rooms, has a test of its name.

A module that is no file of a room is tested by `tests/**/test_<module>.py`. A room (a folder of modules) has a folder
of tests of its name, or a test of its name or of that of one of its modules. A test of a name that a module and a
room's module share is of the room's where it lies in the room's folder of tests, and of the other's elsewhere. Those
that are tested as part of something else are named here, with the test that fails where they do.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

ELSEWHERE = {
    "exvideo-blocks": {
        "guards": "mounted/test_methods",
        "sites": "test_mount",
        "families/cogvideox": "families/test_transformers",
        "families/hunyuan_video": "families/test_transformers",
        "families/ltx": "families/test_transformers",
        "families/wan": "families/test_transformers",
    },
    "exvideo-train": {
        "bases": "config/test_short_form",
        "card": "test_how_trained",
        "loading": "test_loop",
        "replicated": "test_engine",
        "run": "test_loop",
        "session": "test_loop",
        "zero": "test_engine",
    },
    "exvideo-eval": {
        "compare_command": "test_compare",
        "description": "test_suite",
        "info_cache": "test_survey",
        "machine": "test_results",
        "markdown": "test_cli",
        "measure": "test_contrast",
        "measured_file": "test_file_cache",
        "measures": "test_suite",
        "protocol": "test_results",
        "report": "test_cli",
        "result_parts": "test_results",
        "schema_1": "test_results",
    },
    "exvideo-infer": {},
}


def untested(root: Path, elsewhere: Mapping[str, Mapping[str, str]] = ELSEWHERE) -> Iterator[str]:
    """Modules and rooms without a test of their name, and exceptions that are none or whose test is gone."""
    for package, excepted in elsewhere.items():
        folder = root / "packages" / package
        source, tests = folder / "src" / package.replace("-", "_"), folder / "tests"
        found = {(path.parent.relative_to(tests).as_posix(), path.stem[5:]) for path in tests.rglob("test_*.py")}
        folders, names = {folder for folder, _ in found}, {name for _, name in found}
        outside, inside = modules(source), rooms(source)
        lacking = outside - {name for folder, name in found if name not in inside.get(folder, ())}
        for room, files in inside.items():
            if room not in folders and not names & ({Path(room).name, *files} - outside):
                lacking.add(room)
        for name in sorted(lacking - set(excepted)):
            yield f"{package}: {name} has no test of its name: write tests/test_{Path(name).name}.py."
        for name in sorted(set(excepted) - lacking):
            yield f"{package}: {name} is no exception any more: take it out of .ci/mirror.py."
        for name, test in excepted.items():
            if not (tests / f"{test}.py").is_file():
                yield f"{package}: {name} is tested by {test}, which is gone: name another test."


def modules(source: Path) -> set[str]:
    """Modules of a package that are in no room."""
    return {path.stem for path in source.glob("*.py") if not path.stem.startswith("__")}


def rooms(source: Path) -> dict[str, set[str]]:
    """Rooms of a package by their path, with their modules; those of `__init__.py` alone are none."""
    found: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        if path.parent != source and not path.stem.startswith("__"):
            found.setdefault(path.parent.relative_to(source).as_posix(), set()).add(path.stem)
    return found
