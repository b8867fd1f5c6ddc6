"""The protocol: what it fixes, how it is frozen, and that its paper says what the code does."""

from pathlib import Path

import pytest

from benchmarks.quality.methods import methods
from benchmarks.quality.protocol import (
    ABLATION,
    ALPHA,
    FROZEN_SHA256,
    HEADLINE,
    KINDS_OF_MOTION,
    PAPER,
    PRIMARY,
    QUICK,
    REGIMES,
    SPLITS,
    NotFrozenError,
    check_frozen,
    paper_sha256,
)
from benchmarks.quality.trained import TRAINED
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import DIRECTIONS

TEXT = PAPER.read_text(encoding="utf-8")
USED_BEFORE = {0, 1, 2, 3, 4, 5, 7, 9}  # world seeds of networks, judges, exams, comparisons and tests


def test_the_paper_is_the_one_that_was_frozen() -> None:
    assert paper_sha256() == FROZEN_SHA256, "docs/evidence-protocol.md changed: results of the old text stay under it"


def test_the_test_split_is_opened_by_a_word_and_under_the_frozen_paper_alone(tmp_path: Path) -> None:
    for split in ("tune", "validate"):
        check_frozen(split, "two-times", is_opened=False, clips=196)
    with pytest.raises(NotFrozenError, match="--open-test"):
        check_frozen("test", "ten-times", is_opened=False, clips=196)
    check_frozen("test", "ten-times", is_opened=True, clips=196)
    other = tmp_path / PAPER.name
    other.write_text(TEXT.replace("0.5 pixels", "5 pixels"), encoding="utf-8")
    with pytest.raises(NotFrozenError, match="put its text back"):
        check_frozen("test", "ten-times", is_opened=True, clips=196, paper=other)


def test_no_regime_is_opened_whose_pair_has_not_been_named() -> None:
    with pytest.raises(NotFrozenError, match=r"'two-times' no row of ExVideo and no opponent .* choose from several-r"):
        check_frozen("test", "two-times", is_opened=True, clips=196)
    known = {**methods(Path()), **TRAINED}
    for name, regime in REGIMES.items():
        if regime.held is not None:
            ours, opponent = regime.held
            assert f"| `{name}` | `{ours}` | `{opponent}` |" in TEXT
            assert {ours, opponent} <= known.keys()


def test_splits_have_world_seeds_of_their_own_that_nothing_used() -> None:
    seeds = [split.world_seed for split in SPLITS.values()]
    assert len(set(seeds)) == len(seeds)
    assert not USED_BEFORE & set(seeds)
    for name, split in SPLITS.items():
        assert f"| {name} |" in TEXT
        assert f" | {split.world_seed} | " in TEXT


def test_clips_of_splits_are_balanced_over_kinds_of_motion() -> None:
    assert len(DIRECTIONS) == KINDS_OF_MOTION
    for size in (HEADLINE, ABLATION, QUICK):
        assert size.clips % KINDS_OF_MOTION == 0
    for split in ("validate", "tune"):  # of the other no clip is drawn before its time
        of = SPLITS[split]
        kinds = [sample_spec(of.world_seed, index, of.combinations).motion.kind for index in range(HEADLINE.clips)]
        assert {kinds.count(kind) for kind in DIRECTIONS} == {HEADLINE.clips // KINDS_OF_MOTION}


def test_the_paper_has_every_primary_measure_with_its_margin() -> None:
    for name, primary in PRIMARY.items():
        (row,) = (line for line in TEXT.splitlines() if line.startswith(f"| {name} |"))
        *_, better, margin, _ = (cell.strip() for cell in row.split("|"))
        assert better == primary.better
        assert margin.startswith("a quarter" if primary.margin == 0.25 else f"{primary.margin:g}")


def test_the_paper_has_every_regime_and_says_which_claim() -> None:
    for name, regime in REGIMES.items():
        row, *pairs = (line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))
        assert len(pairs) == (regime.held is not None)
        assert row.rstrip(" |").rsplit("| ", 1)[1].startswith("yes" if regime.claims else "no")
        assert f"| {regime.num_frames}" in row
    assert ALPHA == 0.05 / 4
    assert "0.05 / 4" in TEXT


def test_the_paper_says_how_many_seeds_and_clips() -> None:
    for size in (HEADLINE, ABLATION):
        assert f"{len(size.seeds)} seeds of {size.clips}" in TEXT
