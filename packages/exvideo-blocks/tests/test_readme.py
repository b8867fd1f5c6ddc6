"""README.md is run: each block of Python in an empty folder, and its printed output is compared."""

import contextlib
import io
import re
from pathlib import Path

import pytest
import torch
from exvideo_blocks import ExtensionConfig, extend, summarize
from exvideo_blocks.levels import LEVELS

README = (Path(__file__).parents[1] / "README.md").read_text()
# A block of Python that is no piece of one, and the block of text that follows it, if one does.
BLOCK = r"(?<!<!-- not run: a piece -->\n)```python\n(.*?)```(?:\n\n```text\n(.*?)```)?"
BLOCKS = re.findall(BLOCK, README, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), BLOCKS, ids=range(len(BLOCKS)))
def test_the_readme_runs_as_it_stands(code: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {})
    assert output.getvalue() == printed


def test_there_is_an_example_and_a_table() -> None:
    assert len(BLOCKS) >= 2
    assert "save_extension(" in BLOCKS[0][0]
    assert "832,956,800" in "".join(printed for _, printed in BLOCKS)


@pytest.mark.parametrize("level", LEVELS)
def test_the_table_of_levels_counts_what_trains(level: str) -> None:
    from diffusers import UNetMotionModel, UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        models = {128: UNetSpatioTemporalConditionModel(num_frames=25), 64: UNetMotionModel()}
    counts = [
        f"{summarize(extend(model, ExtensionConfig(num_frames=num_frames, level=level))).trained:,}"
        for num_frames, model in models.items()
    ]
    (row,) = re.findall(rf"^\| `{level}` \|.*$", README, flags=re.MULTILINE)
    assert [cell.strip() for cell in row.split("|")[3:5]] == counts
