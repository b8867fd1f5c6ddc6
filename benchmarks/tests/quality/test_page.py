"""The pages of the evidence and README.md say what the committed figures say."""

import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.quality.page import EXPLORATORY, FIGURES, FOLDER, PAGE, PAGES, README, filled, read
from benchmarks.quality.protocol import FROZEN_SHA256, PRIMARY, TEST
from benchmarks.quality.tables import HEADS
from benchmarks.quality.trained import TRAINED

TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
TEXT = TEXTS[PAGE.name]
FOUND = read()
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?!\w|\.\d)")


@pytest.mark.parametrize("name", TEXTS)
def test_its_tables_are_those_of_the_figures(name: str) -> None:
    text = TEXTS[name]
    assert "<!-- evidence: " in text
    assert filled(text, FOUND) == text, "python -m benchmarks.quality.page"


def test_no_figure_stands_in_the_text_but_those_that_are_filled_in() -> None:
    readme = TEXTS[README.name]
    beginning, end = readme.index("## How well it works"), readme.index("## Limits")
    for text in (TEXT, TEXTS[EXPLORATORY.name], readme[beginning:end]):
        prose = re.sub(r"```.*?```|<!-- figure: .*?<!-- /figure -->|\]\(.*?\)|`.*?`", "", text, flags=re.DOTALL)
        prose = re.sub(r"Python [\d.]+( to [\d.]+)?|[\d.]+ GB", "", prose)
        lines = [line for line in prose.splitlines() if not line.startswith("|")]
        assert [line for line in lines if re.search(NUMBER, line)] == []


def test_tables_of_the_validate_split_are_on_the_page_that_says_so() -> None:
    tables = {name: re.findall(r"<!-- evidence: (\w+)", text) for name, text in TEXTS.items()}
    assert set(tables[EXPLORATORY.name]) == {"validate"}
    assert "**Nothing here may be quoted as a result**" in TEXTS[EXPLORATORY.name]
    assert set(tables[PAGE.name]) <= {"test", "rows"}


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


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((evidence/[a-z0-9_-]+\.png)\)", "".join(TEXTS.values())))))
def test_its_pictures_are_there(path: str) -> None:
    assert Image.open(PAGE.parent / path).size > (400, 400)
    assert (PAGE.parent / path).stat().st_size < 2**20
    assert Path(path).parent.name == FOLDER.name == FIGURES.parent.name
