"""The protocol of the evidence as data; docs/evidence-protocol.md says it in words, and is what a result is held to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tiny_world.world.spec import EVENTS

PAPER = Path(__file__).parents[2] / "docs" / "evidence-protocol.md"

KINDS_OF_MOTION = 7  # as many clips in a row have one each


@dataclass(frozen=True)
class Split:
    """Clips of the world.

    Args:
        combinations: split of `tiny_world.world`, by which combinations are told apart.
        world_seed: of its clips; none of the three was used before.
    """

    combinations: str
    world_seed: int


SPLITS = {"tune": Split("train", 71), "validate": Split("validate", 72), "test": Split("test", 73)}


@dataclass(frozen=True)
class Regime:
    """A setting in which post-tuning is compared with what needs none.

    Args:
        title: in tables.
        base: "embedded"; None of one that does not ship, whose folder a person gives.
        num_frames: of a clip.
        claims: True if a win in it counts.
        durations: frames of the events that its clips have; none for the clips of a split as they are.
        held: ExVideo's row and its opponent, by name: the pair whose comparison is the answer; None if not named yet.
    """

    title: str
    base: str | None
    num_frames: int
    claims: bool = False
    durations: tuple[int, ...] = ()
    held: tuple[str, str] | None = None

    @property
    def clips_are_multiples_of(self) -> int:
        """As many clips in a row have one of each kind of motion, or of each kind and duration of an event."""
        return len(EVENTS) * len(self.durations) if self.durations else KINDS_OF_MOTION


EMBEDDED = "embedded"
REGIMES = {
    "several-rates": Regime("the base of several rates, 5 times its length", EMBEDDED, 40, held=("exvideo", "rife")),
    "two-times": Regime("the same, 2 times its length", EMBEDDED, 16),
    "ten-times": Regime("the same, 10 times its length", EMBEDDED, 80, claims=True, held=("exvideo-chain", "chain")),
    "sixteen-times": Regime(
        "the same, 16 times its length", EMBEDDED, 128, claims=True, held=("exvideo-chain", "chain")
    ),
    "one-rate": Regime("a base of one rate, 5 times its length", None, 40, claims=True),
    "short-events": Regime(
        "events shorter than the keyframes' stride",
        EMBEDDED,
        40,
        claims=True,
        durations=(1, 2, 3, 4),
    ),
    "events": Regime("events of all durations", EMBEDDED, 40, durations=(1, 2, 4, 8, 12, 20)),
}


@dataclass(frozen=True)
class Size:
    """Seeds of noise (and of a post-tuning's whole run), and clips, a multiple of `KINDS_OF_MOTION`."""

    seeds: tuple[int, ...]
    clips: int

    def shared(self, regime: Regime) -> "Size":
        """The same seeds, and of no more clips as many as a regime's kinds share evenly, one of each at least."""
        each = regime.clips_are_multiples_of
        return Size(self.seeds, max(each, self.clips // each * each))


QUICK_REGIME = "two-times"  # whose clips are short
HEADLINE, ABLATION, QUICK = Size((0, 1, 2, 3, 4), 196), Size((0, 1, 2), 98), Size((0, 1), 7)


@dataclass(frozen=True)
class Primary:
    """A primary measure.

    Args:
        unit: of its values.
        better: "lower" or "higher".
        margin: that it may lose and be no worse, of its unit; of the Fréchet distance, a share of the opponent's.
    """

    unit: str
    better: str
    margin: float


DISPLACEMENT, VELOCITY, PERMANENCE, SHAPE, FRECHET = (
    "displacement error", "velocity error of the median frame", "permanence", "shape right", "paired Fréchet distance",
)  # fmt: skip
PRIMARY = {
    DISPLACEMENT: Primary("pixels", "lower", 0.5),
    VELOCITY: Primary("pixels a frame", "lower", 0.1),
    PERMANENCE: Primary("share", "higher", 0.02),
    SHAPE: Primary("share", "higher", 0.03),
    FRECHET: Primary("squared feature units", "lower", 0.25),
}
LEVEL = 0.95  # of intervals that are not corrected
ALPHA = 0.05 / sum(regime.claims for regime in REGIMES.values())  # of a regime's five measures after Holm
KEYFRAMES = ("rife", "rife-eight", "rife-equal")
NEW_TO_THE_BASE = "events-rife"  # keyframes of a base that was shown what is new to it, which post-tuning is, too
MOST_COST = 1.25  # of a clip's, all frames at once: what an opponent may cost

TEST = "test"
FROZEN_SHA256 = "6b93e1153d477a41a99966a906ab031f4da204b1bde333b516e5e93c29ad8cb2"


class NotFrozenError(ValueError):
    """The test split was asked for, and the protocol's paper is not the one that was frozen."""


def paper_sha256(paper: Path = PAPER) -> str:
    """SHA-256 (hex) of the protocol's text, which each result carries."""
    return hashlib.sha256(paper.read_bytes()).hexdigest()


def check_frozen(split: str, regime: str, is_opened: bool, clips: int, paper: Path = PAPER) -> None:
    """Checks that a split may be made and judged.

    Args:
        split: a name of `SPLITS`.
        regime: a name of `REGIMES`.
        is_opened: True if a person said that the test split is to be opened.
        clips: that are asked for.
        paper: the protocol's text.

    Raises:
        NotFrozenError: it is the test split, and nobody said so, or the text has changed since it was frozen, or the
            pair that is held to it in this regime has not been named, or other clips are asked for than a headline's:
            few of them, looked at first, would be a choice by the test split.
    """
    if split != TEST:
        return
    if not is_opened:
        raise NotFrozenError(
            f"The split {TEST!r} is judged once, by the protocol of {paper.name}: give --open-test if this is the time."
        )
    found = paper_sha256(paper)
    if found != FROZEN_SHA256:
        raise NotFrozenError(
            f"{paper} has the SHA-256 {found}, and the protocol that was frozen {FROZEN_SHA256}: put its text back."
        )
    if REGIMES[regime].held is None:
        named = ", ".join(name for name, of in REGIMES.items() if of.held)
        raise NotFrozenError(
            f"In the regime {regime!r} no row of ExVideo and no opponent have been named: choose from {named}, or name "
            f"them in {paper.name} and beside its hash, by the validate split."
        )
    if clips != (all_clips := HEADLINE.shared(REGIMES[regime]).clips):
        raise NotFrozenError(
            f"The split {TEST!r} is judged once, by all its {all_clips} clips, and {clips} were asked for: leave out "
            "--clips, and try on the split 'validate'."
        )
