"""The rule that tests mirror the source finds what has none, and exceptions that are none."""

from pathlib import Path

import pytest
from mirror import ELSEWHERE, untested

ROOT = Path(__file__).parents[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a module, a room of two, and a test of the module and of one file of the room."""
    for name in ("src/exvideo_one/alone.py", "src/exvideo_one/room/__init__.py", "src/exvideo_one/room/a.py",
                 "src/exvideo_one/room/b.py", "src/exvideo_one/__main__.py", "tests/test_alone.py",
                 "tests/test_a.py"):  # fmt: skip
        path = tmp_path / "packages" / "exvideo-one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "packages" / "exvideo-one"


def test_this_repository_mirrors_its_source() -> None:
    assert list(untested(ROOT)) == []
    assert sum(map(len, ELSEWHERE.values())) <= 28  # a new module has a test of its name


def test_a_module_without_a_test_is_found(package: Path, tmp_path: Path) -> None:
    assert list(untested(tmp_path, {"exvideo-one": {}})) == []
    (package / "tests" / "test_alone.py").unlink()
    (found,) = untested(tmp_path, {"exvideo-one": {}})
    assert "alone has no test of its name" in found
    assert list(untested(tmp_path, {"exvideo-one": {"alone": "test_a"}})) == []


def test_a_room_without_a_test_is_found(package: Path, tmp_path: Path) -> None:
    (package / "tests" / "test_a.py").unlink()
    (found,) = untested(tmp_path, {"exvideo-one": {}})
    assert "room has no test of its name" in found
    (package / "tests" / "room").mkdir()
    (package / "tests" / "room" / "test_both.py").touch()
    assert list(untested(tmp_path, {"exvideo-one": {}})) == []


def test_a_test_of_a_module_is_none_of_a_room_s_of_that_name(package: Path, tmp_path: Path) -> None:
    (package / "src/exvideo_one/a.py").touch()  # beside room/a.py: tests/test_a.py is of this one
    (found,) = untested(tmp_path, {"exvideo-one": {}})
    assert "room has no test of its name" in found
    (package / "tests" / "room").mkdir()
    (package / "tests/test_a.py").rename(package / "tests/room/test_a.py")
    (found,) = untested(tmp_path, {"exvideo-one": {}})
    assert ": a has no test of its name" in found


def test_an_exception_that_is_none_is_found(package: Path, tmp_path: Path) -> None:
    (found,) = untested(tmp_path, {"exvideo-one": {"alone": "test_a"}})
    assert "alone is no exception any more" in found
    (package / "tests" / "test_alone.py").unlink()
    (found,) = untested(tmp_path, {"exvideo-one": {"alone": "test_gone"}})
    assert "is tested by test_gone, which is gone" in found
