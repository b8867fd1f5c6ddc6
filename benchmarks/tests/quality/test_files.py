"""JSON files that several processes change."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quality.files import locked, read_json, write_json

ADDING = """
import sys
from pathlib import Path
from benchmarks.quality.files import locked, read_json, write_json
path = Path(sys.argv[1])
for number in range(50):
    with locked(path):
        write_json(path, read_json(path, "") | {f"{sys.argv[2]} {number}": number})
"""


def test_what_two_processes_add_is_all_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {})
    processes = [subprocess.Popen([sys.executable, "-c", ADDING, str(path), name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(json.loads(path.read_text())) == 100
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_is_no_json_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError), locked(path):
        write_json(path, {"a": object()})
    assert read_json(path, "") == {"a": 1}
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("content", [None, "{", "[]", "3"])
def test_what_cannot_be_read_is_told_with_a_way_out(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"x\.json .*: put it back\."):
        read_json(path, "put it back")
