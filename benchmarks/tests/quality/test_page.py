"""docs/evidence.md and README.md say what the committed figures say."""

import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.quality.page import FIGURES, FOLDER, PAGE, PAGES, filled, read
from benchmarks.quality.protocol import FROZEN_SHA256, PRIMARY, TEST
from benchmarks.quality.tables import HEADS
from benchmarks.quality.trained import TRAINED

TEXT = PAGE.read_text(encoding="utf-8")
FOUND = read()
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?!\w|\.\d)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_its_tables_are_those_of_the_figures(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- evidence: " in text
    assert filled(text, FOUND) == text, "python -m benchmarks.quality.page"


def test_no_figure_stands_in_the_text_but_those_that_are_filled_in() -> None:
    readme = PAGES[1].read_text(encoding="utf-8")
    beginning, end = readme.index("## How well it works"), readme.index("## Limits")
    for text in (TEXT, readme[beginning:end]):
        prose = re.sub(r"```.*?```|<!-- figure: .*?<!-- /figure -->|\]\(.*?\)|`.*?`", "", text, flags=re.DOTALL)
        prose = re.sub(r"Python [\d.]+|[\d.]+ GB", "", prose)
        lines = [line for line in prose.splitlines() if not line.startswith("|")]
        assert [line for line in lines if re.search(NUMBER, line)] == []


def test_it_says_of_every_setting_that_it_is_exploratory_until_the_test_split_is_opened() -> None:
    for name, found in FOUND["settings"].items():
        protocol = found["protocol"]
        assert name == f"{protocol['split']}/{protocol['regime']}_{protocol['clips']}"
        assert protocol["exploratory"] == (protocol["split"] != TEST)
        assert re.fullmatch("[0-9a-f]{64}", protocol["paper_sha256"])
        if protocol["split"] == TEST:
            assert protocol["paper_sha256"] == FROZEN_SHA256
    opened = any(found["protocol"]["split"] == TEST for found in FOUND["settings"].values())
    assert opened or "**exploratory**" in TEXT


def test_every_method_has_every_primary_measure_and_its_cost_was_counted() -> None:
    for found in FOUND["settings"].values():
        for name, method in found["methods"].items():
            assert PRIMARY.keys() <= method["figures"].keys() <= HEADS.keys(), name
            assert method["frames_counted"] == pytest.approx(method["network_frames"], rel=0.01), name


def test_rows_with_their_costs_are_all_there() -> None:
    for row in TRAINED.values():
        assert f"| {row.title} | {row.group} | {row.steps:,} |" in TEXT


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((evidence/[a-z0-9_-]+\.png)\)", TEXT))))
def test_its_pictures_are_there(path: str) -> None:
    assert Image.open(PAGE.parent / path).size > (400, 400)
    assert (PAGE.parent / path).stat().st_size < 2**20
    assert Path(path).parent.name == FOLDER.name == FIGURES.parent.name
