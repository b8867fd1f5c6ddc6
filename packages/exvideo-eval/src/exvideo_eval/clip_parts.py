"""Long clips by part: the windows of each third, and fragments as long as the clips that the base itself makes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exvideo_eval.clip_set import REAL
from exvideo_eval.execution import Execution
from exvideo_eval.plan import ClipPlan, commonest_length, lengths_that_lose_many
from exvideo_eval.survey import survey

THIRDS = ("first third", "middle third", "last third")
BASE = "base"
MIN_FRAMES = 6  # of clips whose thirds have windows of two frames


@dataclass(frozen=True)
class Thirds:
    """Windows by third: `plan`, by which all sets are measured, and of each third the windows that lie wholly in it.

    A third is `num_frames // 3` frames; what remains is the last one's.
    """

    plan: ClipPlan
    windows: tuple[range, ...]

    @classmethod
    def of(cls, plan: ClipPlan) -> "Thirds":
        """By the plan's own windows where each third holds one of them; else by one that is as long as a third.

        Raises:
            ValueError: clips of fewer than 6 frames.
        """
        third = plan.num_frames // 3
        if plan.num_frames < MIN_FRAMES:
            raise ValueError(
                f"Clips of {plan.num_frames} frames have no thirds with windows: give {MIN_FRAMES} frames or more."
            )
        for candidate in (plan, replace(plan, window=third, window_stride=third)):
            bounds = ((0, third), (third, 2 * third), (2 * third, plan.num_frames))
            windows = tuple(_inside(candidate, *each) for each in bounds)
            if all(windows):
                return cls(candidate, windows)
        raise AssertionError(f"a third of {plan} holds no window as long as a third")

    def to_dict(self) -> dict[str, Any]:
        """The rule as plain JSON values."""
        starts = [[self.plan.starts[window] for window in windows] for windows in self.windows]
        return {"window": self.plan.window, "first_frames": dict(zip(THIRDS, starts, strict=True))}


@dataclass(frozen=True)
class Fragments:
    """Fragments of the long clips by `plan`, one a window, and the base's own clips, which lie in `folder`."""

    folder: Path
    plan: ClipPlan

    @classmethod
    def of(cls, folder: Path, plan: ClipPlan, execution: Execution) -> "Fragments":
        """As long as the commonest of the base's clips, which are decoded for it; no more of them than cover a clip.

        Raises:
            ValueError: no readable clip of the base's, clips of which more than a third are shorter than the commonest,
                or clips that are longer than those that are compared.
        """
        infos = tuple(survey(BASE, folder, execution).values())
        if (words := lengths_that_lose_many(infos)) is not None:
            raise ValueError(f"Of the base's own clips in {folder} {words}: cut them to one length.")
        length = commonest_length(infos)
        if not 2 <= length <= plan.num_frames:
            raise ValueError(
                f"The base's own clips in {folder} have {length} frames, and fragments of clips of {plan.num_frames} "
                f"frames can have 2 to {plan.num_frames}: give clips of the length that the base was made for."
            )
        steps = -(-plan.num_frames // length) - 1
        stride = (plan.num_frames - length) // steps if steps else length
        return cls(folder, replace(plan, window=length, window_stride=stride))

    @property
    def base_plan(self) -> ClipPlan:
        """The cut of the base's own clips: each is one window."""
        return replace(self.plan, num_frames=self.plan.window, window_stride=self.plan.window)

    @property
    def windows(self) -> dict[str, int]:
        """Fragments that have a figure of their own beside the mean of all: the first, one in the middle, the last."""
        count = len(self.plan.starts)
        middle = {"middle fragment": count // 2} if count > 2 else {}
        return {"first fragment": 0, **middle, "last fragment": count - 1} if count > 1 else {}

    def to_dict(self) -> dict[str, Any]:
        """The rule as plain JSON values."""
        return {"frames": self.plan.window, "first_frames": list(self.plan.starts)}


@dataclass(frozen=True)
class Parts:
    """Questions that are asked of parts of clips; None for one that is not."""

    thirds: Thirds | None = None
    fragments: Fragments | None = None

    @classmethod
    def of(cls, thirds: bool, base_clips: Path | None, plan: ClipPlan, execution: Execution) -> "Parts":
        """Thirds are asked for by themselves or with fragments; raises as these."""
        if base_clips is None:
            return cls(Thirds.of(plan) if thirds else None)
        return cls(Thirds.of(plan), Fragments.of(base_clips, plan, execution))

    def to_dict(self) -> dict[str, Any]:
        """The rules, by name."""
        rules = {"thirds": self.thirds, "fragments": self.fragments}
        return {name: rule.to_dict() for name, rule in rules.items() if rule is not None}

    def cuts(self, folders: Mapping[str, Path]) -> Iterator[tuple[ClipPlan, dict[str, Path]]]:
        """Each cut with the folders by role that are measured by it."""
        if self.thirds is not None:
            yield self.thirds.plan, dict(folders)
        if self.fragments is not None:
            yield self.fragments.plan, {role: folder for role, folder in folders.items() if role != REAL}
            yield self.fragments.base_plan, {BASE: self.fragments.folder}


def _inside(plan: ClipPlan, start: int, stop: int) -> range:
    """Numbers of the windows that lie wholly in these frames."""
    inside = [n for n, first in enumerate(plan.starts) if start <= first and first + plan.window <= stop]
    return range(inside[0], inside[-1] + 1) if inside else range(0)
