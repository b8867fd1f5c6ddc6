"""A setting: clips of a split, in a regime, and the rows that are made of them."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.quality.continued import continue_base
from benchmarks.quality.methods import Method, methods
from benchmarks.quality.post_tune import post_tune, write_events
from benchmarks.quality.protocol import REGIMES, SPLITS, Regime, Size
from benchmarks.quality.recipes import Recipe
from benchmarks.quality.record import base_sha256
from benchmarks.quality.rows import Row, make, why_not
from benchmarks.quality.trained import Trained
from tiny_world.truth.measured_set import read_truth
from tiny_world.world.clip_files import ClipFile, write_clips


@dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        output: of all settings.
        split: a name of `SPLITS`.
        regime: a name of `REGIMES`.
        size: seeds and clips.
        trained: rows that are trained here, by name.
        given_base: folder of the base of a regime whose base does not ship.

    Raises:
        ValueError: that folder is missing, or given where the base ships; or there are seeds twice, or below 0, or
            clips that the kinds of motion or events do not share evenly.
    """

    output: Path
    split: str
    regime: str
    size: Size
    trained: Mapping[str, Trained] = field(default_factory=dict)
    given_base: str | None = None

    def __post_init__(self) -> None:
        if (self.of.base is None) == (self.given_base is None):
            told = "has a base of its own: leave --base out" if self.of.base else "needs the folder of its base: --base"
            raise ValueError(f"The regime {self.regime} {told}.")
        seeds, each = self.size.seeds, self.of.clips_are_multiples_of
        if not seeds or len({*seeds}) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds are {', '.join(map(str, seeds))}: give --seeds that differ, of 0 or more.")
        if self.size.clips < each or self.size.clips % each:
            raise ValueError(
                f"clips are {self.size.clips}, and the regime {self.regime} has {each} kinds of them, as many of each: "
                f"give --clips a multiple of {each}."
            )

    @property
    def of(self) -> Regime:
        """The regime."""
        return REGIMES[self.regime]

    @property
    def base(self) -> str:
        """The base, as `ExVideoPipeline.from_pretrained` takes it."""
        base = self.given_base if self.of.base is None else self.of.base
        assert base is not None  # as one of the two is given
        return base

    @property
    def name(self) -> str:
        """Split, regime and number of clips: the headline and the ablations of a regime have different ones."""
        return f"{self.split}/{self.regime}_{self.size.clips}"

    @property
    def folder(self) -> Path:
        """All that is made in this setting."""
        return self.output / self.name

    @property
    def made(self) -> Path:
        """Its rows."""
        return self.folder / "made"

    def real(self) -> list[ClipFile]:
        """The real clips, written where they are missing."""
        split, folder = SPLITS[self.split], self.folder / "real"
        asked = self.of.num_frames, split.world_seed, split.combinations
        if self.of.durations:
            each = self.size.clips // self.of.clips_are_multiples_of
            write_events(folder, each, self.of.durations, *asked)
        else:
            deque(write_clips(folder, self.size.clips, *asked), maxlen=0)
        return read_truth(folder)

    @property
    def names(self) -> list[str]:
        """All methods, those that are trained here last."""
        return [*methods(self.output), *self.trained]

    def method(self, name: str, seed: int) -> Method:
        """A method; of one that is trained here, the run of that seed."""
        if name in self.trained:
            return self.trained[name].method(self.trained[name].file(self._runs, name, seed))
        return methods(self.output / f"moments{self._of_base}")[name]

    def left_out(self) -> dict[str, str]:
        """Methods that cannot be run here, each with its reason."""
        reasons = {name: why_not(self.method(name, self.size.seeds[0]), self.of.num_frames) for name in self.names}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def make(self, names: Sequence[str]) -> Iterator[Row]:
        """Makes the rows of some methods, seed by seed, so that what is cut off has whole seeds."""
        clips = self.real()
        for seed in self.size.seeds:
            for name in names:
                if name in self.trained:
                    self._train(name, seed)
                row = Row(name, seed)
                make(row, self.method(name, seed), clips, self.of.num_frames, self.made, self.base)
                yield row

    def _train(self, name: str, seed: int) -> None:
        row = self.trained[name]
        if isinstance(row, Recipe):
            post_tune(name, row, self._runs, self.base, seed)
        else:
            continue_base(name, row, self._runs, self.base, seed)

    @property
    def _runs(self) -> Path:
        return self.output / f"post_tune{self._of_base}"

    @property
    def _of_base(self) -> str:
        """The end of folders of what is kept of a base that does not ship, which may be anyone's."""
        return "" if self.given_base is None else f"_{base_sha256(self.given_base)[:8]}"
