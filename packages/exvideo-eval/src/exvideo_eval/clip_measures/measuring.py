"""Measures of a set's clips beside the real ones: means, shares, and what they differ by."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvideo_eval.clip_measures.catalogue import ClipMeasure, Pairing, Quantity, clip_measure_named
from exvideo_eval.clip_measures.reading import ClipReader, SetValues, measure_protocol
from exvideo_eval.clip_set import REAL
from exvideo_eval.execution import Execution
from exvideo_eval.measure import PERCENTILES, WILSON, Measure, difference_of_means, mean
from exvideo_eval.plan import ClipPlan
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.protocols.figures import Measured
from exvideo_eval.result_parts import ClipValues, Metric
from exvideo_eval.statistics import Clips, Resampling, Sample, Statistic

Array = NDArray[np.float64]

DIFFERENCE, RATIO = "difference to real", "ratio to real"
_REAL = ", real clips"


class ClipMeter:
    """Measures sets of clips; networks are loaded, and real clips read, once.

    Args:
        names: of the measures.
        plan: the cut of the clips.

    Raises:
        ValueError: an unknown name, or a package that is not installed; the sentence says which, and how to get it.
    """

    def __init__(self, names: Sequence[str], plan: ClipPlan, execution: Execution | None = None) -> None:
        execution = execution or Execution()
        self.measures = {name: clip_measure_named(name) for name in dict.fromkeys(names)}
        networks: dict[str, object] = {}
        for name, measure in self.measures.items():
            if measure.network.name not in networks:
                networks[measure.network.name] = measure.network.load(f"--measure {name}", execution.device)
        self._read = ClipReader(self.measures, networks, plan, execution)
        self._known: dict[tuple[bool, Path], dict[str, SetValues]] = {}

    def extract(self, folders: Mapping[str, Path]) -> None:
        """Measure all clips of folders by role, or of several processes this one's share, in the same order."""
        for role, folder in folders.items():
            self._values(role, folder)

    def measure(self, role: str, real: Path, folder: Path, resampling: Resampling) -> Measured:
        """All measures of a folder's clips and the real ones.

        Raises:
            ValueError: as `ClipReader`; or a measure of pairs, and no clip has a real one's name.
        """
        real_values, set_values = self._values(REAL, real), self._values(role, folder)
        metrics: list[Metric] = []
        clip_values: list[ClipValues] = []
        means: list[Measure] = []
        record = {}
        for name, measure in self.measures.items():
            figures, known, found = [], real_values[name], set_values[name]
            for number, quantity in enumerate(measure.quantities):
                clips, of_real = (Clips(item.values[:, number], item.sources) for item in (found, known))
                means.append(_mean(quantity, clips))
                figures += _figures(quantity, clips, of_real, resampling)
            if measure.pairing is not None:
                means.append(_mean(measure.pairing.quantity, _of_pairs(name, measure.pairing, found, known)))
                figures.append(means[-1].metric(resampling)[:2])
            metrics += [metric for metric, _ in figures]
            clip_values += [values for _, values in figures if values is not None]
            record[name] = self._record(measure, [metric.name for metric, _ in figures], known, found)
        skipped = (item for name in self.measures for item in (*real_values[name].skipped, *set_values[name].skipped))
        return Measured(tuple(metrics), (), tuple(clip_values), record, (), tuple(skipped), tuple(means))

    def _values(self, role: str, folder: Path) -> dict[str, SetValues]:
        key = (role == REAL, folder)
        if key not in self._known:
            self._known[key] = self._read(role, folder)
        return self._known[key]

    def _record(
        self, measure: ClipMeasure, names: Sequence[str], known: SetValues, found: SetValues
    ) -> dict[str, object]:
        protocol = measure_protocol(measure, self._read.plan)
        return {
            "metric": names[0],
            "metrics": list(names),
            "protocol": protocol,
            "protocol_sha256": protocol_hash(protocol),
            "network": {"name": measure.network.name, "sha256": measure.network.sha256, "is_own": True},
            "samples": {REAL: len(known.sources), "generated": len(found.sources)},
            "files_sha256": {REAL: known.sha256},
        }


def _of_pairs(name: str, pairing: Pairing, found: SetValues, known: SetValues) -> Clips:
    """The pairing's number of each clip whose file has a real one's name, beside that one's first clip."""
    twins = dict(reversed(list(zip(known.sources, known.values, strict=True))))
    rows = [row for row, source in enumerate(found.sources) if source in twins]
    if not rows:
        raise ValueError(
            f"--measure {name} is of clips beside the real ones of their names, and no two names are equal: name them "
            "alike, or leave it out."
        )
    sources = tuple(found.sources[row] for row in rows)
    pairs = [pairing.of(found.values[row], twins[source]) for row, source in zip(rows, sources, strict=True)]
    return Clips(np.array(pairs), sources)


def _figures(
    quantity: Quantity, clips: Clips, real: Clips, resampling: Resampling
) -> list[tuple[Metric, ClipValues | None]]:
    """The set's own number, what it differs by from the real one, and that one."""
    measures = [_mean(quantity, clips), _compared(quantity, DIFFERENCE, quantity.unit, _difference, clips, real)]
    if quantity.has_ratio and real.values.mean() > 0:
        measures.append(_compared(quantity, RATIO, "ratio", _ratio, clips, real))
    figures = [item.metric(resampling)[:2] for item in measures]
    of_real, _, _ = _mean(quantity, real).metric(resampling)
    return [*figures, (replace(of_real, name=of_real.name + _REAL, of=REAL), None)]


def _mean(quantity: Quantity, clips: Clips) -> Measure:
    statistic, interval = ("share", WILSON) if quantity.is_share else ("mean", PERCENTILES)
    return Measure(
        quantity.name,
        statistic,
        quantity.unit,
        "neutral",
        mean,
        clips,
        interval=interval,
        is_mean=True,
        has_ratio=quantity.has_ratio,
    )


def _compared(quantity: Quantity, statistic: str, unit: str, of: Statistic, clips: Clips, real: Clips) -> Measure:
    interval = WILSON if quantity.is_share else PERCENTILES
    measure = Measure(quantity.name, statistic, unit, "neutral", of, clips, real, interval=interval, has_ratio=False)
    return replace(measure, difference=difference_of_means)


def _difference(sample: Sample, real: Sample) -> Array:
    found: Array = mean(sample) - mean(real)
    return found


def _ratio(sample: Sample, real: Sample) -> Array:
    found: Array = mean(sample) / np.maximum(mean(real), np.finfo(np.float64).tiny)
    return found
