"""Distances of parts of the clips: of each third from the real clips', and of fragments from the base's own clips."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exvideo_eval.clip_parts import BASE, THIRDS, Parts
from exvideo_eval.clip_set import REAL, ClipSet, measure, measure_share
from exvideo_eval.description import pairing_notes
from exvideo_eval.distance_measures import FRECHET, KERNEL, SHIFT, VARIANCE, Distances, axes_of
from exvideo_eval.execution import Execution
from exvideo_eval.file_cache import opened_cache
from exvideo_eval.measured_file import Instruments
from exvideo_eval.plan import ClipPlan
from exvideo_eval.projection import Projection, affordable_dimension
from exvideo_eval.result_parts import Metric
from exvideo_eval.unusual_files import copied_files, unusual_files

BY_THIRD, FROM_BASE = " by third", " from the base's own clips"

Sets = Mapping[str, ClipSet]


@dataclass(frozen=True)
class PartDistances:
    """Distances of parts of the clips.

    Args:
        distances: of the thirds, of all fragments, and of some of them.
        base: the base's own clips, if there are any; `axes`: those of distances from them.
    """

    distances: tuple[Distances, ...] = ()
    base: ClipSet | None = None
    axes: Projection | None = None

    def protocol(self, parts: Parts) -> dict[str, Any]:
        """Everything that these numbers depend on beside what others do, as plain JSON values; empty for no parts."""
        rules = parts.to_dict()
        if self.base is not None:
            rules["fragments"] |= {
                "base_clips": self.base.num_clips,
                "base_files_sha256": self.base.sha256,
                "frechet_dimension": None if self.axes is None else self.axes.axes.shape[1],
            }
        return rules

    def notes_of(self, clips: ClipSet) -> list[str]:
        """Facts that a reader of a set's distances of parts must know."""
        if self.base is None:
            return []
        notes = pairing_notes(clips, self.base) + unusual_files(
            BASE, dict(zip(self.base.files, self.base.infos, strict=True))
        )
        notes += copied_files(BASE, self.base.contents)
        length = len(next(iter(self.base.curves.values()))[0])
        longer = sum(info.num_frames > length for info in self.base.infos)
        if longer:
            notes.append(f"The base's own files longer than {length} frames: {longer}; only their beginning counts.")
        if self.axes is None:
            notes.append(f"No Fréchet distance{FROM_BASE}: too few clips ({self.base.num_clips} of the base's).")
        return notes


def is_of_part(metric: Metric) -> bool:
    """True for a distance of a part, and for what stands beside it."""
    return metric.quantity.startswith(
        tuple(name + about for name in (FRECHET, VARIANCE, SHIFT, KERNEL) for about in (BY_THIRD, FROM_BASE))
    )


def measure_parts(
    parts: Parts, sets: Sets, instruments: Instruments, execution: Execution, stack: ExitStack
) -> dict[ClipPlan, Sets]:
    """The sets as every cut of the parts asks, the files decoded again where it is another than the sets were.

    Args:
        sets: measured by the instruments' own plan.
        stack: keeps the features' files until it is closed.
    """
    measured: dict[ClipPlan, Sets] = {instruments.plan: sets}
    for plan, folders in parts.cuts({role: clips.folder for role, clips in sets.items()}):
        if not folders.keys() <= measured.get(plan, {}).keys():
            others = replace(instruments, plan=plan, judges=None)
            cache = stack.enter_context(opened_cache(others, execution))
            found = measure(folders, others, cache, execution, told=sets.keys())
            measured[plan] = {**measured.get(plan, {}), **found}
    return measured


def measure_share_of_parts(
    parts: Parts, folders: Mapping[str, Path], instruments: Instruments, execution: Execution
) -> None:
    """This process's share of what `measure_parts` of the main process measures."""
    known = {instruments.plan: set(folders)}
    for plan, wanted in parts.cuts(folders):
        if not wanted.keys() <= known.get(plan, set()):
            others = replace(instruments, plan=plan, judges=None)
            with opened_cache(others, execution) as cache:
                measure_share(wanted, others, cache, execution)
            known[plan] = known.get(plan, set()) | wanted.keys()


def part_distances(
    parts: Parts, measured: Mapping[ClipPlan, Sets], features: str, dimension: int, asked: int | None
) -> PartDistances:
    """All distances of parts that sets measured by `measure_parts` have.

    Args:
        features: name of the network.
        dimension: of the distances from the real clips; 0 for no Fréchet distance.
        asked: that of the distances from the base's own clips; by default as the clips allow.
    """
    found: list[Distances] = []
    if parts.thirds is not None:
        sets = measured[parts.thirds.plan]
        others = [clips for role, clips in sets.items() if role != REAL]
        whole = Distances.of(sets[REAL], others, features, axes_of(sets[REAL], dimension), None, BY_THIRD)
        found += [whole.at(windows, third) for third, windows in zip(THIRDS, parts.thirds.windows, strict=True)]
    if parts.fragments is None:
        return PartDistances(tuple(found))
    long, base = measured[parts.fragments.plan], measured[parts.fragments.base_plan][BASE]
    others = [clips for role, clips in long.items() if role != REAL]
    of_fragments = _from_base(base, others, parts.fragments.plan, features, asked)
    windows = parts.fragments.windows
    found += [of_fragments, *(of_fragments.at([place], part) for part, place in windows.items())]
    return PartDistances(tuple(found), base, of_fragments.axes)


def _from_base(base: ClipSet, others: Sequence[ClipSet], plan: ClipPlan, features: str, asked: int | None) -> Distances:
    """Each fragment of the other sets against the base's clips, which are one window each."""
    dimension = asked
    if dimension is None:
        dimension = affordable_dimension(base.num_clips, others[0].num_clips, base.features[0].shape[-1])
    repeated = replace(base, features=base.features.at([0] * others[0].features.num_windows))
    return Distances.of(repeated, others, features, axes_of(base, dimension), plan.starts, FROM_BASE)
