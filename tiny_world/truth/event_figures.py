"""From clips with events to figures by kind and duration, with intervals, and to differences between two sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiny_world.truth.event_measures import EVENT_MEASURES, EventMeasure, compare_events
from tiny_world.truth.figures import Difference, Figure, difference_of
from tiny_world.truth.measured_set import clips_of_the_same_names, read_beside, read_truth
from tiny_world.world.clip_files import ClipFile
from tiny_world.world.events import event_of
from tiny_world.world.spec import EVENTS

Array = NDArray[np.float64]

Dial = tuple[str, int]  # a kind of event and its duration in frames


@dataclass(frozen=True)
class EventSet:
    """One set of clips with events, as the tracker sees it.

    Attributes:
        name: "real" for the real files themselves, else the generated set's own.
        folder: where the files are; files: their names, sorted.
        dials: (clips,) of each clip.
        totals, counts: by `EventMeasure.key`, (clips,): the sum of a clip's values, and how many they are.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    dials: tuple[Dial, ...]
    totals: Mapping[str, Array]
    counts: Mapping[str, Array]

    def durations(self, kind: str) -> tuple[int, ...]:
        """Those that there are clips of, in order."""
        return tuple(sorted({duration for found, duration in self.dials if found == kind}))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events that there are, in the order of EVENTS."""
        return tuple(kind for kind in EVENTS if self.durations(kind))

    def at(self, dial: Dial) -> NDArray[np.bool_]:
        """(clips,) which of them have this dial."""
        return np.array([one == dial for one in self.dials])

    def means(self, measure: EventMeasure) -> Array:
        """(clips,) the mean of a clip's values; NaN where it has none."""
        counts = self.counts[measure.key]
        return np.where(counts > 0, self.totals[measure.key] / np.maximum(counts, 1), np.nan)


def read_event_truth(folder: Path) -> list[ClipFile]:
    """The real clips of a folder, by name.

    Raises:
        ValueError: it is no folder or has no clip, or a clip has no truth beside it or no events.
    """
    clips = read_truth(folder)
    for clip in clips:
        if clip.spec.event is None:
            raise ValueError(f"{clip.path} has no events: give clips of `python -m tiny_world.world --events`.")
    return clips


def measure_events(name: str, folder: Path, real: Sequence[ClipFile]) -> EventSet:
    """Tracks the files of a folder that are named like the real clips, against these clips' truth.

    A generated clip may be shorter than its real one, or longer: only the frames that both have are measured.

    Raises:
        ValueError: the folder has not the same file names, or a file is no clip of the world's size.
    """
    pairs = clips_of_the_same_names(folder, real)
    measured = [compare_events(*read_beside(path, clip), clip.spec) for path, clip in pairs]
    totals, counts = (
        {one.key: np.array([how(values[one.key]) for values in measured], np.float64) for one in EVENT_MEASURES}
        for how in (np.sum, len)
    )
    events = [event_of(clip.spec) for clip in real]
    dials = tuple((event.kind, event.duration) for event in events)
    return EventSet(name, folder, tuple(clip.path.name for clip in real), dials, totals, counts)


def event_figure(measured: EventSet, measure: EventMeasure, dial: Dial) -> Figure:
    """A measure of the clips with one dial: of all their events, or of all their frames."""
    at = measured.at(dial)
    totals, counts = measured.totals[measure.key][at], measured.counts[measure.key][at]
    known = np.where(counts > 0, counts, np.nan)
    return Figure(_name(measure, dial), measure.unit, measure.better, np.where(counts > 0, totals, np.nan), known)


def event_differences(measured: EventSet, reference: EventSet) -> list[Difference]:
    """Clip by clip, of each clip's mean, for every measure and dial that both sets have values of."""
    found = []
    for dial in sorted({*measured.dials}):
        at = measured.at(dial)
        for measure in EVENT_MEASURES:
            own, other = (one.means(measure)[at] for one in (measured, reference))
            gaps = (own - other)[np.isfinite(own - other)]
            if len(gaps):
                found.append(difference_of(_name(measure, dial), measure.unit, measure.better, gaps))
    return found


def _name(measure: EventMeasure, dial: Dial) -> str:
    kind, duration = dial
    return f"{measure.name}, {kind} of {duration} frame{'s' if duration > 1 else ''}"
