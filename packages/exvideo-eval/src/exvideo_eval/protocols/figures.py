"""Figures of a protocol, under the name that its network and its number of samples allow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.features.published.loading import LoadedNetwork
from exvideo_eval.measure import Measure
from exvideo_eval.pairs import source_of
from exvideo_eval.protocols.clip_distance import clip_distance
from exvideo_eval.protocols.clip_scores import clip_scores
from exvideo_eval.protocols.definition import FRAME, Protocol
from exvideo_eval.protocols.extraction import SetFeatures
from exvideo_eval.protocols.frames import GENERATED, REAL
from exvideo_eval.protocols.samples import count_of, is_short, noun, samples_of
from exvideo_eval.protocols.statistics import (
    CaptionSimilarity,
    ClassVariety,
    Distance,
    Figure,
    FrameConsistency,
    FrechetByFrame,
    FrechetDistance,
)
from exvideo_eval.result_parts import VALUE, ClipValues, Curve, Interval, Metric, Skipped
from exvideo_eval.statistics import Clips, Resampling, Sample, percentile_interval, value_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Metrics and curves of one set, the protocols' record for the result, notes, and the files left out.

    `measures`: those that know each clip's part, and so can be set against another set's.
    """

    metrics: tuple[Metric, ...]
    curves: tuple[Curve, ...]
    clip_values: tuple[ClipValues, ...]
    record: Mapping[str, Any]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True)
class Context:
    """A protocol by its name, the network that it goes by here, and what was allowed."""

    name: str
    protocol: Protocol
    network: LoadedNetwork
    seed: int
    allow_fewer: bool

    @property
    def takes_all(self) -> bool:
        """Every picture of every clip counts: too many, perhaps, to be held at once."""
        return self.protocol.features.sample == FRAME and not self.protocol.samples.exactly

    def count(self, found: SetFeatures) -> int:
        return count_of(self.protocol, found, allow_fewer=self.allow_fewer)

    def samples(self, found: SetFeatures) -> Array:
        return samples_of(self.protocol, found, seed=self.seed, allow_fewer=self.allow_fewer)


def distance_figure(
    context: Context, kind: Distance | FrechetByFrame, real: SetFeatures, found: SetFeatures, resampling: Resampling
) -> Measured:
    """A distance of two sets; by frame index, a curve and its mean.

    Of clips, with the measure that they allow, its interval and the clips' parts in it.
    """
    figure = _distance_figure(context, kind, real, found)
    measure = clip_distance(
        context.protocol,
        figure.metrics[0].name,
        context.network.name,
        (real, found),
        seed=context.seed,
        allow_fewer=context.allow_fewer,
    )
    if measure is None:
        return figure
    resampled, parts, _ = measure.metric(resampling)
    (metric,) = figure.metrics
    return replace(
        figure,
        metrics=(replace(metric, interval=resampled.interval),),
        clip_values=(parts,) if parts else (),
        measures=(measure,),
    )


def _distance_figure(
    context: Context, kind: Distance | FrechetByFrame, real: SetFeatures, found: SetFeatures
) -> Measured:
    skipped = (*real.skipped, *found.skipped)
    if isinstance(kind, FrechetDistance) and context.takes_all:
        counts = {REAL: context.count(real), GENERATED: context.count(found)}
        figure = kind.of_parts(real.features, found.features)
        return _measured(context, figure, counts, {REAL: real.sha256}, skipped)
    x, y = context.samples(real), context.samples(found)
    counts = {REAL: len(x), GENERATED: len(y)}
    if not isinstance(kind, FrechetByFrame):
        return _measured(context, kind(x, y, context.seed), counts, {REAL: real.sha256}, skipped)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{context.protocol.name} needs as many frames of both sets, and clips have {x.shape[1]} (real) and "
            f"{y.shape[1]}: cut them to one length."
        )
    values = [kind(x[:, index], y[:, index], context.seed).value for index in range(x.shape[1])]
    name = metric_name(context, counts)
    curve = Curve(name, kind.unit, "frame index", tuple(range(len(values))), tuple(values), kind.better, GENERATED)
    mean = Figure(float(np.mean(values)))
    return _measured(context, mean, counts, {REAL: real.sha256}, skipped, statistic="mean", curves=(curve,))


def set_figure(context: Context, kind: ClassVariety, found: SetFeatures) -> Measured:
    """A score of one set alone."""
    samples = context.samples(found)
    return _measured(context, kind(samples), {GENERATED: len(samples)}, {}, found.skipped)


def clip_figure(
    context: Context, kind: CaptionSimilarity | FrameConsistency, found: SetFeatures, resampling: Resampling
) -> Measured:
    """A mean over clips, with its interval, and the clips' own values."""
    context.count(found)  # for its complaint about a set without usable clips
    scores = clip_scores(context.protocol, context.network, kind, found)
    values = scores.values

    def mean(of_clips: Sample) -> Array:
        drawn = of_clips.mean()
        return np.maximum(drawn, 0.0) if isinstance(kind, CaptionSimilarity) and kind.clamped else drawn

    name = metric_name(context, {GENERATED: len(values)})
    sources = tuple(map(source_of, scores.files))
    judged = Clips(values, sources)
    measure = Measure(name, "mean", kind.unit, kind.better, mean, judged, features=context.network.name, is_mean=True)
    clips = ClipValues(name, context.network.name, VALUE, scores.files, sources, tuple(map(float, values)))
    measured = _measured(
        context,
        Figure(value_of(mean, [judged])),
        {GENERATED: len(values)},
        {},
        scores.skipped,
        statistic="mean",
        clip_values=(clips,),
        interval=percentile_interval(mean, [judged], resampling),
        notes=scores.notes,
    )
    return replace(measured, measures=(measure,))


def metric_name(context: Context, counts: Mapping[str, int]) -> str:
    """The metric's own name for the protocol's own network; for any other, what was done and that network's name.

    Where there are fewer samples than the protocol takes, their numbers stand in the name.
    """
    protocol, network = context.protocol, context.network
    name = protocol.name
    if not network.is_own:
        name = protocol.statistic.surrogate.format(network=network.name)
        name += f", {protocol.dialect} preprocessing" if protocol.dialect else ""
    if any(is_short(protocol, role, count) for role, count in counts.items()):
        numbers = " and ".join(dict.fromkeys(str(count) for count in counts.values()))
        name += f", of {numbers} {noun(protocol)}"
    return name


def _measured(
    context: Context,
    figure: Figure,
    counts: Mapping[str, int],
    files: Mapping[str, str],
    skipped: tuple[Skipped, ...],
    *,
    statistic: str = "value",
    curves: tuple[Curve, ...] = (),
    clip_values: tuple[ClipValues, ...] = (),
    interval: Interval | None = None,
    notes: tuple[str, ...] = (),
) -> Measured:
    protocol, network, name = context.protocol, context.network, metric_name(context, counts)
    kind, count = protocol.statistic, list(counts.values())[-1]
    metric = Metric(
        name,
        figure.value,
        kind.unit,
        kind.better,
        n=count,
        features=network.name,
        interval=interval,
        quantity=name,
        statistic=statistic,
    )
    record = {
        "metric": name,
        "protocol": protocol.to_dict(),
        "protocol_sha256": protocol.sha256,
        "network": {"name": network.name, "sha256": network.sha256, "is_own": network.is_own},
        "samples": dict(counts),
        "files_sha256": dict(files),
        "seed": context.seed,
    }
    return Measured((metric,), curves, clip_values, record, (*_notes(context, figure, counts, name), *notes), skipped)


def _notes(context: Context, figure: Figure, counts: Mapping[str, int], name: str) -> list[str]:
    protocol, network = context.protocol, context.network
    numbers = ", ".join(f"{count} {role}" for role, count in counts.items())
    spread = "" if figure.spread is None else f", deviation between subsets or splits {figure.spread:.4g}"
    notes = [f"{name}: {numbers} {noun(protocol)}{spread}; {network.name}, {network.identity}."]
    short = [f"{protocol.samples.of(role)} {role}" for role, count in counts.items() if is_short(protocol, role, count)]
    if short:
        notes.append(
            f"{name}: the protocol is defined for {' and '.join(short)} {noun(protocol)}, or more where it says so: "
            "with fewer, as here, it compares with no published value."
        )
    return notes
