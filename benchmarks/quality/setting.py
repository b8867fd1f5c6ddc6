"""A setting: clips of a split, in a regime, and the rows that are made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.methods import Method, methods
from benchmarks.quality.protocol import REGIMES, SPLITS, Regime, Size
from benchmarks.quality.rows import Row, make, why_not
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

    Raises:
        ValueError: the regime lacks something yet.
    """

    output: Path
    split: str
    regime: str
    size: Size

    def __post_init__(self) -> None:
        if self.of.lacks:
            raise ValueError(f"The regime {self.regime} lacks {self.of.lacks}: choose another until it is there.")

    @property
    def of(self) -> Regime:
        """The regime."""
        return REGIMES[self.regime]

    @property
    def folder(self) -> Path:
        """All that is made in this setting."""
        return self.output / self.split / self.regime

    @property
    def made(self) -> Path:
        """Its rows."""
        return self.folder / "made"

    def real(self) -> list[ClipFile]:
        """The real clips, written where they are missing."""
        split = SPLITS[self.split]
        folder = self.folder / "real"
        for _ in write_clips(folder, self.size.clips, self.of.num_frames, split.world_seed, split.combinations):
            pass
        return read_truth(folder)[: self.size.clips]  # by name, which is by number

    def methods(self) -> dict[str, Method]:
        """All methods that need no training here, by name."""
        return methods(self.output / "moments")

    def left_out(self) -> dict[str, str]:
        """Methods that cannot be run here, each with its reason."""
        reasons = {name: why_not(method, self.of.num_frames) for name, method in self.methods().items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def make(self, names: Sequence[str]) -> Iterator[Row]:
        """Makes the rows of some methods, seed by seed, so that what is cut off has whole seeds."""
        clips, known, base = self.real(), self.methods(), self.of.base
        assert base is not None
        for seed in self.size.seeds:
            for name in names:
                row = Row(name, seed)
                make(row, known[name], clips, self.of.num_frames, self.made, base)
                yield row
