"""Sets of clips with events written out: a result file each, and errors against the duration of events as a picture."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from exvideo_eval import Curve, Data, Metric, Result

from tiny_world.truth.event_figures import EventSet, event_differences, event_figure
from tiny_world.truth.event_measures import EVENT_MEASURES
from tiny_world.truth.event_picture import draw_events
from tiny_world.truth.figures import RESAMPLING
from tiny_world.truth.report import file_name, files_sha256

NAME = "tiny-world events"
DEFINITIONS = "tiny-world events 1"  # bumped whenever a definition changes a number


def write_event_report(
    folder: Path, real: EventSet, sets: Sequence[EventSet], stride: int | None = None
) -> tuple[Path, ...]:
    """Writes `<set>.json` for each set and for the real files, and `events.png`; returns them.

    The first set is the one that the others are compared with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for measured in (real, *sets):
        reference = sets[0] if measured in sets[1:] else None
        paths.append(folder / file_name(measured.name))
        event_result(measured, real, reference).save(paths[-1])
    draw_events(folder / "events.png", real, sets, stride)
    return (*paths, folder / "events.png")


def event_result(measured: EventSet, real: EventSet, reference: EventSet | None) -> Result:
    """One set as `exvideo.result/2`: figures and curves by duration, and differences to a reference set."""
    metrics: list[Metric] = []
    curves: list[Curve] = []
    for kind in measured.kinds:
        for measure in EVENT_MEASURES:
            found = {d: event_figure(measured, measure, (kind, d)).metric() for d in measured.durations(kind)}
            known = {duration: metric for duration, metric in found.items() if metric is not None}
            metrics += known.values()
            if known:
                x, y = tuple(known), tuple(metric.value for metric in known.values())
                name = f"{measure.name}, {kind}"
                curves.append(Curve(name, measure.unit, "frames an event", x, y, measure.better, measured.name))
    for one in event_differences(measured, reference) if reference else ():
        name = f"{one.figure}, less that of {reference.name if reference else ''}"
        metrics.append(Metric(name, one.value, one.unit, one.better, n=one.clips, interval=one.interval))
    data = [Data("real", "clips of the tiny world with events", str(real.folder), len(real.files))]
    if measured is not real:
        data.append(Data("generated", f"{measured.name}: generated clips", str(measured.folder), len(measured.files)))
    return Result.measured_here(
        kind="quality",
        name=NAME,
        protocol={
            "definitions": DEFINITIONS,
            "real_files_sha256": files_sha256(real.folder, real.files),
            "real_clips": len(real.files),
            **asdict(RESAMPLING),
        },
        metrics=tuple(metrics),
        data=tuple(data),
        curves=tuple(curves),
    )
