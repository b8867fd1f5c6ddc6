"""An evaluation as text: the difference to the baseline first, then each set, then the rules and what was left out."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from exvideo_eval.clip_parts import BASE
from exvideo_eval.curve_measures import DRIFT, MISMATCH, RATIO, drift
from exvideo_eval.frame_curves import CURVES, DIFFERENCE_TO_REAL, PSNR_TO_REAL, FrameCurve
from exvideo_eval.long_video_measures import is_of_long_video
from exvideo_eval.measures import REAL
from exvideo_eval.part_distances import is_of_part
from exvideo_eval.protocols.into_result import MEASURES, published_protocols, published_rows
from exvideo_eval.result_parts import Metric
from exvideo_eval.results import Result
from exvideo_eval.shown_name import shown_name
from exvideo_eval.statistics import Clips, value_of
from exvideo_eval.suite import Evaluation
from exvideo_eval.tiny_world import JUDGES
from exvideo_eval.verdict import WORSE, verdict_of_difference

Columns = Sequence[tuple[str, Result]]


def as_markdown(evaluation: Evaluation) -> str:
    """The report in Markdown."""
    generated, baseline = evaluation.generated, evaluation.baseline
    columns = [("generated", generated)] if baseline is None else [("baseline", baseline), ("generated", generated)]
    parts = [
        "# Generated clips against real clips",
        f"Measured {generated.created} with exvideo-eval {generated.software.get('exvideo-eval', '')}. Brackets: "
        f"{_interval_words(generated)}. p: how often exchanging the clips of two sets by chance differs as much; none "
        "is corrected for how many there are, so one of twenty below 0.05 is to be expected of nothing.",
        *_contrast_section(evaluation, columns),
        "![curves](report.png)",
        *_data_section(columns),
        "## Distances from the real clips",
        _table(["", "better", *(name for name, _ in columns)], _distance_rows(columns)),
        "A Fréchet distance is comparable only at the same features, dimension and number of clips; the row under it "
        "is its mean between sets that are alike, at these numbers. It does not see what is off its axes: the rows of "
        "variance and shift do. p: generated clips and real ones exchanged.",
        *_part_section(columns),
        *_published_section(columns),
        *_judge_section(columns),
        "## Frame by frame",
        _table(["", "statistic", "real", *(name for name, _ in columns)], _curve_rows(columns)),
        "Ratio to real: 1 is like the real clips. Mismatch: how far the curve over frames runs from the real one, in "
        "octaves (0 is the same, 1 is twice or half of it throughout; lower is better).",
        "## Long video",
        _table(["", "better", "real", *(name for name, _ in columns)], _long_video_rows(columns)),
        "Where a frozen clip would win, neither way is better: read it beside the real clips. A still clip counts as "
        "one that never left its first frame, and as a palindrome. Shares have Wilson intervals, that of the dynamic "
        "degree at the threshold of these real clips.",
        *_list_section("Notes", dict.fromkeys(_notes(evaluation, columns))),
        *_list_section("Skipped files", _skipped(columns)),
        "## Protocol",
        *(_protocol_lines(columns)),
        "## Machine",
        _bullets(f"{key}: {value}" for key, value in {**generated.machine, **generated.software}.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _contrast_section(evaluation: Evaluation, columns: Columns) -> list[str]:
    """Differences with what they differ from, those that chance explains least first."""
    contrast = evaluation.contrast
    if contrast is None:
        return []
    differences = [metric for metric in contrast.metrics if metric.contrast.startswith("difference")]
    rows = []
    for metric in sorted(differences, key=lambda metric: metric.significance.p_value if metric.significance else 1.0):
        name = metric.name.removesuffix(f", {metric.contrast}")
        shown = [_found(result, name, metric.features) for _, result in columns]
        ratio = contrast.metric(f"{name}, {metric.contrast.replace('difference', 'ratio', 1)}")
        unit = f" ({metric.unit})" if metric.unit else ""
        fewer = f", of {metric.n} clips" if any(each and each.n != metric.n for each in shown) else ""
        cells = [metric.better, *map(_value, shown), _signed(metric), _cell(ratio), _p(metric), _verdict(metric)]
        rows.append([name + unit + fewer, *cells])
    head = ["", "better", *(name for name, _ in columns), "difference", "ratio", "p", ""]
    return [
        "## Generated clips against the baseline's",
        _table(head, rows),
        "Over the clips that both have, drawn as pairs, or over all where these are too few; their number stands where "
        "it is not the columns'. *better* and *worse*: the interval of the difference leaves zero out and p is below "
        "one less its level; whether a neutral one is better for it, the ratio to real says.",
    ]


def _verdict(metric: Metric) -> str:
    verdict = verdict_of_difference(metric)
    return f"**{verdict}**" if verdict == WORSE else verdict


def _data_section(columns: Columns) -> list[str]:
    last = columns[-1][1]
    rows = [[role, *_data_cells(last, role)] for role in ("real", BASE) if any(item.role == role for item in last.data)]
    rows += [[name, *_data_cells(result, name)] for name, result in columns]
    head = ["set", "clips", "what", "codec, pixels, size", "resized", "where"]
    return ["## Data", _table(head, rows)]


def _data_cells(result: Result, role: str) -> list[str]:
    data = next(item for item in result.data if item.role == role)
    media = data.media
    kinds = () if media is None else (media.codecs, media.pixel_formats, media.sizes)
    coded = ", ".join("/".join(kind) for kind in kinds)
    return [str(data.count), data.what, coded, media.resizing if media else "", f"`{shown_name(data.where)}`"]


def _distance_rows(columns: Columns) -> list[list[str]]:
    to_real = (PSNR_TO_REAL.name, DIFFERENCE_TO_REAL.name)
    shown = [metric for metric in columns[-1][1].metrics if metric.dimension is not None or metric.name in to_real]
    rows = [_distance_row(metric, columns) for metric in shown if not is_of_part(metric)]
    return rows or [["none: see the notes", "", *("" for _ in columns)]]


def _distance_row(metric: Metric, columns: Columns) -> list[str]:
    rests_on = f" (dimension {metric.dimension}, {metric.n} clips)" if metric.dimension else f", {metric.unit}"
    cells = [_cell_and_p(_found(result, metric.name, metric.features)) for _, result in columns]
    return [metric.name + rests_on, metric.better, *cells]


def _part_section(columns: Columns) -> list[str]:
    rows = [_distance_row(metric, columns) for metric in columns[-1][1].metrics if is_of_part(metric)]
    if not rows:
        return []
    return [
        "## By part of the clip",
        _table(["", "better", *(name for name, _ in columns)], rows),
        "By third: windows that lie wholly in a third of the clips, from the same third of the real ones, on axes that "
        "the thirds share. From the base's own clips: fragments of the long clips, as long as the base's, by place; "
        "the rows of all fragments together come first. The first frames of windows and fragments are in the protocol. "
        "They say whether the end of a long clip still looks like what the base makes.",
    ]


def _published_section(columns: Columns) -> list[str]:
    rows = published_rows(columns)
    if not rows:
        return []
    return [
        "## Published measures",
        _table(["", "better", *(name for name, _ in columns)], rows),
        "Each by its protocol, which is below with its hash. Values of different protocols do not compare.",
    ]


def _judge_section(columns: Columns) -> list[str]:
    last = columns[-1][1]
    of_judges = [metric for metric in last.metrics if metric.features == JUDGES and metric.dimension is None]
    shown = [metric for metric in of_judges if not metric.of]
    if not shown:
        return []
    rows = [
        [f"{metric.name}, {metric.unit} ({metric.n} clips)", metric.better, _cell(last.metric(metric.name + REAL))]
        + [_cell(result.metric(metric.name)) for _, result in columns]
        for metric in shown
    ]
    return [
        "## Judges of the tiny world",
        _table(["", "better", "real", *(name for name, _ in columns)], rows),
        "By two small networks that were trained on the tiny world and know nothing else. They err on real clips too: "
        "the real column says how much, of as many clips where the number of clips matters. The style is that of the "
        "CLIP score, the network is not: no number here compares with one of the literature. "
        "Shares have Wilson intervals, which have a width even where all or none of the clips is right.",
    ]


def _curve_rows(columns: Columns) -> list[list[str]]:
    rows = []
    for curve in CURVES:
        real = _real_cells(curve, columns[-1][1])
        for statistic, shown in (
            ("mean", f"mean ({curve.unit})"),
            (RATIO, RATIO),
            (MISMATCH, MISMATCH),
            (DRIFT, DRIFT),
        ):
            name = curve.name if statistic == "mean" else f"{curve.name}, {statistic}"
            cells = [_cell_and_p(result.metric(name)) for _, result in columns]
            rows.append([curve.name, shown, real.get(statistic, ""), *cells])
    return rows


def _long_video_rows(columns: Columns) -> list[list[str]]:
    last = columns[-1][1]
    shown = [metric for metric in last.metrics if is_of_long_video(metric.quantity) and not metric.of]
    return [
        [f"{metric.name}, {metric.unit}", metric.better, _cell(last.metric(metric.name + REAL))]
        + [_cell_and_p(result.metric(metric.name)) for _, result in columns]
        for metric in shown
    ]


def _real_cells(curve: FrameCurve, result: Result) -> dict[str, str]:
    """The real clips' own mean and drift, from their mean curve in the result."""
    values = np.array([next(item.y for item in result.curves if (item.name, item.series) == (curve.name, "real"))])
    early = values[:, : max(1, values.shape[1] // 4)].mean()
    drifted = f"{value_of(drift(curve), [Clips(values, ('real',))]):.4g}" if early > curve.resolution else "-"
    return {"mean": f"{values.mean():.4g}", DRIFT: drifted}


def _found(result: Result, name: str, features: str | None) -> Metric | None:
    return next((item for item in result.metrics if (item.name, item.features) == (name, features)), None)


def _value(metric: Metric | None) -> str:
    return "-" if metric is None else f"{metric.value:.4g}"


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    interval = metric.interval
    return f"{metric.value:.4g}" + (f" [{interval.low:.4g}, {interval.high:.4g}]" if interval else "")


def _signed(metric: Metric) -> str:
    interval = metric.interval
    return f"{metric.value:+.4g}" + (f" [{interval.low:+.4g}, {interval.high:+.4g}]" if interval else "")


def _cell_and_p(metric: Metric | None) -> str:
    return _cell(metric) + (f", p {_p(metric)}" if metric is not None and metric.significance else "")


def _p(metric: Metric) -> str:
    return "" if metric.significance is None else f"{metric.significance.p_value:.2g}"


def _interval_words(result: Result) -> str:
    interval = next((metric.interval for metric in result.metrics if metric.interval), None)
    if interval is None:
        return "none, as intervals need 3 source files of each set, and resamples"
    return f"{interval.level:.0%} intervals over source files, clips of one name together"


def _notes(evaluation: Evaluation, columns: Columns) -> list[str]:
    """Those that only one column has are marked with its name."""
    common = set.intersection(*(set(other.notes) for _, other in columns))
    notes = [
        note if note in common else f"{name.capitalize()}: {note}" for name, result in columns for note in result.notes
    ]
    return [*(evaluation.contrast.notes if evaluation.contrast else ()), *notes]


def _skipped(columns: Columns) -> Iterable[str]:
    """With the measures that left a file out, where others counted it."""
    measures: dict[tuple[str, str], dict[str, None]] = {}
    for item in (item for _, result in columns for item in result.skipped):
        measures.setdefault((item.file, item.reason), {})[item.measure] = None
    for (file, reason), found in measures.items():
        by = "" if "" in found else f", by {', '.join(found)} alone"
        yield f"{_code(file)}{by}: {reason}"


def _code(text: str) -> str:
    """A code span; one that holds backticks begins and ends with more of them (CommonMark 6.1)."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"


def _protocol_lines(columns: Columns) -> list[str]:
    first, last = columns[0][1], columns[-1][1]
    lines = [_bullets(f"{key}: {value}" for key, value in last.protocol.items() if key != MEASURES)]
    lines += [_bullets(published_protocols(last))] if MEASURES in last.protocol else []
    lines.append(f"SHA-256 of the protocol: `{last.protocol_sha256}`.")
    if first.protocol_sha256 != last.protocol_sha256:
        changed = ", ".join(key for key in last.protocol if first.protocol[key] != last.protocol[key])
        lines.append(f"**Baseline and generated clips were not measured alike: {changed} differ.**")
    return lines


def _list_section(title: str, items: Iterable[str]) -> list[str]:
    text = _bullets(items)
    return [f"## {title}", text] if text else []


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
