"""The commands and the Python of a guide are run, from top to bottom, in one folder, as a reader would.

Left out are those for which a reader needs another's weights or stays with a server: each by a word that it holds.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
# Commands of ours by their modules, as the environment of the tests may have no scripts of theirs on the path.
MODULES = {"exvideo-generate": "exvideo_infer", "exvideo-train": "exvideo_train"}
NEEDS_MORE = ("stabilityai/", "out/my_run", "list.jsonl", "from_pretrained(base")


def steps(guide: str) -> list[str]:
    """The commands, indented or within a sentence, and the blocks of Python, in their order."""
    text = (DOCS / guide).read_text(encoding="utf-8").replace("\\\n", " ")
    pattern = r"^    (exvideo-[^\n]+)$|`(exvideo-generate [^`\n]+)`|```py\n(.*?)```"
    return ["".join(found) for found in re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)]


@pytest.mark.long
@pytest.mark.parametrize("guide", ["long-clips.md"])
def test_a_guide_runs_from_top_to_bottom(guide: str, tmp_path: Path) -> None:
    ran = 0
    for step in steps(guide):
        if any(word in step for word in NEEDS_MORE):
            continue
        name, *arguments = shlex.split(step) if step.startswith("exvideo-") else ["", "-c", step]
        command = [sys.executable, *(["-m", MODULES[name]] if name else []), *arguments]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, f"{step}\n{run.stderr[-2000:]}"
        ran += 1
        for place, argument in enumerate(arguments[:-1]):
            assert argument != "-o" or (tmp_path / arguments[place + 1]).is_file(), step
    assert ran >= 8
