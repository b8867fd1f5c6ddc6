"""Published measures as part of a result, and as a section of its report."""

from collections.abc import Sequence
from dataclasses import replace

from exvideo_eval.contrast import contrasts_of_sets
from exvideo_eval.protocol import protocol_hash
from exvideo_eval.protocols.clip_distance import MOST_CLIPS
from exvideo_eval.protocols.figures import Measured
from exvideo_eval.result_parts import Metric, Skipped
from exvideo_eval.results import Result
from exvideo_eval.statistics import Resampling

MEASURES = "measures"  # the key of the protocols in a result's protocol


def with_measures(result: Result, measured: Measured) -> Result:
    """The result with published measures of the same set, their protocols hashed into its own."""
    protocol = {**result.protocol, MEASURES: {**result.protocol.get(MEASURES, {}), **measured.record}}
    return replace(
        result,
        protocol=protocol,
        protocol_sha256=protocol_hash(protocol),
        metrics=(*result.metrics, *measured.metrics),
        curves=(*result.curves, *measured.curves),
        clip_values=(*result.clip_values, *measured.clip_values),
        notes=tuple(dict.fromkeys((*result.notes, *measured.notes))),
        skipped=(*result.skipped, *_skipped_besides(result, measured)),
    )


def _skipped_besides(result: Result, measured: Measured) -> list[Skipped]:
    """The files that a measure left out and the other measures did not."""
    of_all = {item.file for item in result.skipped if not item.measure}
    return [item for item in dict.fromkeys(measured.skipped) if item.file not in of_all]


def contrasted(ours: Measured, theirs: Measured, reference: str, resampling: Resampling) -> Measured:
    """The contrasts of what both sets have clip by clip, with a note on the measures of which one has not."""
    found = contrasts_of_sets(ours.measures, theirs.measures, reference, resampling)
    by_clip = {metric.quantity for metric, _ in found}
    of_sets = [metric.name for metric in ours.metrics if not metric.of and metric.quantity not in by_clip]
    note = (
        f"Not set against the {reference}'s: {', '.join(of_sets)}. Each is one number of all pictures of all clips, of "
        f"random subsets, of more than {MOST_CLIPS} clips, or the sets have other numbers of clips than each other: "
        "compare the two columns."
    )
    return Measured(
        metrics=tuple(metric for metric, _ in found),
        curves=(),
        clip_values=tuple(values for _, values in found if values),
        record=ours.record,
        notes=(note,) if of_sets else (),
        skipped=(),
    )


def published_rows(columns: Sequence[tuple[str, Result]]) -> list[list[str]]:
    """Rows of a table: name and network, better, then a cell for each result; none where none was measured."""
    rows = []
    for record in columns[-1][1].protocol.get(MEASURES, {}).values():
        for title in record.get("metrics", [record["metric"]]):
            metrics = [result.metric(title) for _, result in columns]
            last = metrics[-1]
            assert last is not None
            named = record["network"]["is_own"] is False or last.features is None
            name = title if named else f"{title}, {last.features}"
            rows.append([f"{name} ({last.unit})", last.better, *(_cell(metric) for metric in metrics)])
    return rows


def published_protocols(result: Result) -> list[str]:
    """A line on the protocol of each published measure; report.json has them whole."""
    lines = []
    for key, record in result.protocol.get(MEASURES, {}).items():
        network, protocol = record["network"], record["protocol"]
        numbers = ", ".join(f"{count} {role}" for role, count in record["samples"].items())
        lines.append(
            f"{key}: {protocol['source']}; samples: {numbers}; network {network['name']}, "
            f"SHA-256 `{network['sha256']}`; SHA-256 of the protocol `{record['protocol_sha256']}`"
        )
    return lines


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    interval = "" if metric.interval is None else f" [{metric.interval.low:.4g}, {metric.interval.high:.4g}]"
    return f"{metric.value:.4g}{interval} (n {metric.n})"
