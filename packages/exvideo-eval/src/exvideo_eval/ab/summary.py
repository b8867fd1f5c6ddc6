"""The job summary: one page of Markdown, made without a token, so that forks have it too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exvideo_eval.ab.chart import in_words, strip_chart
from exvideo_eval.ab.judging import ACCEPTED, GONE, NEW, Count, Judgement, Time
from exvideo_eval.ab.ratios import LEVEL, Ratio
from exvideo_eval.ab.sides import BASE, CONTROL, HEAD
from exvideo_eval.verdict import BETTER, NEUTRAL, SAME, UNDECIDED, WORSE

_ORDER = (WORSE, GONE, UNDECIDED, ACCEPTED, BETTER, NEW)


@dataclass(frozen=True)
class Run:
    """A comparison's circumstances: `commits` of base and head, the suite's name and content, and how it was run."""

    commits: Mapping[str, str]
    suite: str
    suite_sha256: str
    rounds: int
    threads: int
    cpu: str
    environment: str
    threshold: float


def as_markdown(judgement: Judgement, run: Run) -> str:
    """The page: the verdict, counts that changed, ratios of times, charts, all counts, how it was measured."""
    base, head = (run.commits[side][:10] for side in (BASE, HEAD))
    parts = [f"## A/B of `{run.suite}`: {base} (base) and {head} (head)", _verdict_line(judgement)]
    parts += _failures(judgement)
    parts += _changed_counts(judgement.counts)
    parts += _times(judgement.times)
    parts += _all_counts(judgement.counts)
    parts.append(
        f"{run.rounds} rounds, each of new processes of base, base again (control) and head, which take turns in "
        f"rotated order; {run.threads} thread(s); {run.cpu}; {run.environment}. Only counts gate: they are exact. "
        f"A ratio is the median over rounds of the median over turns, with its {LEVEL:.0%} interval; it is worse or "
        f"better if it exceeds {run.threshold:.0%}, its interval and what the control shows."
    )
    return "\n\n".join(parts) + "\n"


def _verdict_line(judgement: Judgement) -> str:
    worse = [count for count in judgement.counts if count.verdict in (WORSE, GONE)]
    if judgement.passed:
        return "**Passed:** no count got worse, and nothing fails at head."
    reasons = [f"{len(worse)} count(s) worse or gone"] if worse else []
    reasons += [f"{len(judgement.failed[HEAD])} function(s) fail at head"] if judgement.failed[HEAD] else []
    way_out = (
        " If that is meant, say so in a commit's message, in a last line `Accept-worse: NAME` (with * for any text)."
    )
    return f"**Failed:** {', '.join(reasons)}.{way_out if worse else ''}"


def _failures(judgement: Judgement) -> list[str]:
    lines = [
        f"- at {side}, {function}: `{said}`"
        for side in (HEAD, BASE, CONTROL)
        for function, said in judgement.failed[side].items()
        if side != CONTROL or function not in judgement.failed[BASE]
    ]
    return ["Not measured:\n\n" + "\n".join(lines)] if lines else []


def _changed_counts(counts: Sequence[Count]) -> list[str]:
    changed = [count for verdict in _ORDER for count in counts if count.verdict == verdict]
    if not changed:
        return [f"All {len(counts)} counts are the same."] if counts else []
    same = len(counts) - len(changed)
    return [_count_table(changed), f"{same} other count(s) are the same."]


def _all_counts(counts: Sequence[Count]) -> list[str]:
    if not counts:
        return []
    return [f"<details><summary>All counts</summary>\n\n{_count_table(counts)}\n\n</details>"]


def _count_table(counts: Sequence[Count]) -> str:
    lines = ["| count | unit | base | head | change | |", "| --- | --- | --- | --- | --- | --- |"]
    for count in counts:
        numbers = ("-" if value is None else f"{value:,.10g}" for value in (count.base, count.head))
        change = "-"
        if count.base is not None and count.head is not None:
            change = f"{count.head - count.base:+,.10g}"
            change += f" ({count.head / count.base - 1:+.2%})" if count.base else ""
        verdict = "" if count.verdict in (SAME, NEUTRAL) else count.verdict
        reason = f" ({count.reason})" if count.reason else ""
        lines.append(f"| {count.name} | {count.unit} | {' | '.join(numbers)} | {change} | {verdict}{reason} |")
    return "\n".join(lines)


def _times(times: Sequence[Time]) -> list[str]:
    if not times:
        return []
    lines = ["| time of a call | clock | base | head | head / base | control / base | |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for time in times:
        base, head = (in_words(sorted(time.seconds[side])[len(time.seconds[side]) // 2]) for side in (BASE, HEAD))
        ratios = f"{_ratio(time.head)} | {_ratio(time.control)}"
        lines.append(f"| {time.name} | {time.clock} | {base} | {head} | {ratios} | {time.verdict} |")
    charts = [strip_chart(time.name, time.seconds) for time in times if time.clock == "wall"]
    return ["\n".join(lines), "Wall times of a call, a dot a round:\n\n```\n" + "\n".join(charts) + "\n```"]


def _ratio(ratio: Ratio) -> str:
    if ratio.interval is None:
        return f"{ratio.median:.3f}"
    return f"{ratio.median:.3f} [{ratio.interval[0]:.3f}, {ratio.interval[1]:.3f}]"
