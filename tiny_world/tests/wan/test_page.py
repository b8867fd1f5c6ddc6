"""docs/tiny-wan.md says what the committed figures say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tiny_world.wan.compare import CLIPS, SEEDS
from tiny_world.wan.figures import ERROR
from tiny_world.wan.post_tune import LONGER
from tiny_world.wan.table import tables
from tiny_world.wan.ways import OWN, TRAINING_FREE, WAYS

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "tiny-wan.md").read_text(encoding="utf-8")
FOUND: dict[str, Any] = json.loads((DOCS / "tiny-wan" / "figures.json").read_text(encoding="utf-8"))


def test_its_tables_are_those_of_the_figures() -> None:
    assert tables(FOUND) in PAGE


def test_every_figure_with_an_interval_that_it_tells_is_in_a_table() -> None:
    told = re.findall(r"-?\d+\.\d\d \[-?\d+\.\d\d, -?\d+\.\d\d\]", PAGE)
    assert set(told) <= set(re.findall(r"-?\d+\.\d\d \[-?\d+\.\d\d, -?\d+\.\d\d\]", tables(FOUND)))
    assert len(told) > len(re.findall(r"\[-?\d+\.\d\d, ", tables(FOUND)))  # some are in the text, too


def test_every_way_was_judged_on_all_clips_and_seeds() -> None:
    for way in WAYS:
        assert FOUND["figures"][f"permanence: {way}"]["clips"] == CLIPS["test"][0]
    assert FOUND["protocol"]["seeds"] == list(SEEDS)


def test_its_verdict_is_that_of_the_figures() -> None:
    """At most half of the error of running directly, and ahead of all that needs no training, or not."""
    figures = FOUND["figures"]
    halves = figures[f"{ERROR}: lora over direct"]["interval"][1] <= 0.5
    ahead = {
        level: all(figures[f"{ERROR}: {level} over {other}"]["interval"][1] < 1 for other in TRAINING_FREE)
        for level in ("lora", LONGER)
    }
    assert ("**It does not hold.**" in PAGE) == (not (halves and ahead["lora"]))
    assert ("**It holds.**" in PAGE) == (halves and ahead["lora"])
    halves_then = figures[f"{ERROR}: {LONGER} over direct"]["interval"][1] <= 0.5
    then = "**With five times as many steps the second half holds, and the first does not**"
    assert (then in PAGE) == (ahead[LONGER] and not halves_then)
    assert OWN not in TRAINING_FREE


def test_the_page_of_the_evidence_tells_its_figures() -> None:
    text = (DOCS / "evidence.md").read_text(encoding="utf-8")
    first, longer = (f"{FOUND['figures'][f'{ERROR}: {way} over direct']['value']:.2f}" for way in ("lora", LONGER))
    assert f"has {first} of the displacement error of running" in text
    assert f"{longer} after five times the steps" in text


@pytest.mark.parametrize("name", ["sheet.png", "curves.png"])
def test_its_pictures_are_there(name: str) -> None:
    assert f"(tiny-wan/{name})" in PAGE
    assert Image.open(DOCS / "tiny-wan" / name).size > (400, 400)
