"""The figures of a setting as the tables of the evidence."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.quality.figures import DIRECT, EXPLORATORY, REAL, SHARE
from benchmarks.quality.frontier import ERRORS, rows_of_frontier
from benchmarks.quality.making import STEPS
from benchmarks.quality.methods import GUIDED, POST_TUNED, UNTRAINED
from benchmarks.quality.protocol import HEADLINE, KEYFRAMES, NEW_TO_THE_BASE, PRIMARY
from benchmarks.quality.trained import WHOLE
from tiny_world.truth.over_seeds import TURNS

Found = Mapping[str, Any]

SECONDS_TO_JUDGE = 0.5  # of a core, a clip of 40 frames

HEADS = {
    "displacement error": "displacement error, pixels",
    "velocity error of the median frame": "velocity error of the median frame, pixels a frame",
    "permanence": "permanence",
    "shape right": "shape right",
    "paired Fréchet distance": "paired Fréchet distance",
    "trajectory error": "trajectory error, pixels",
    "velocity error": "velocity error in the mean frame, pixels a frame",
    "area error": "area error, share",
    "colour error": "colour error, RGB distance",
    "extra bodies": "extra bodies, a frame",
    "judged right": "frames right in all",
    SHARE: "way gone, share of the true one",
    TURNS: "turn timing error, frames",
}


SHORT = {
    "displacement error": "displacement error, px",
    "trajectory error": "trajectory error, px",
    "velocity error of the median frame": "velocity error, px a frame",
    "paired Fréchet distance": "Fréchet distance",
}


def primary(found: Found) -> str:
    """A row a method, a column a primary measure, and the real clips."""
    return _of_measures(found, tuple(PRIMARY))


def exploratory(found: Found) -> str:
    """The same of other measures."""
    return _of_measures(found, (SHARE, *EXPLORATORY, TURNS))


def costs(found: Found) -> str:
    """The cost of a clip by each method."""
    direct = found["methods"].get(DIRECT, {}).get("network_frames")
    lines = [
        [
            "method", "kind", "frames evaluated", "times run directly", "seconds of the network", "seconds in all",
            "MiB of a step, predicted", "trained parameters", "hours of a core for a headline row",
        ]
    ]  # fmt: skip
    clips = len(HEADLINE.seeds) * HEADLINE.clips
    for method in found["methods"].values():
        lines.append(
            [
                method["title"], method["kind"], f"{method['network_frames']}",
                f"{method['network_frames'] / direct:.2f}" if direct else "", f"{method['seconds_network']:.2f}",
                f"{method['seconds_all']:.2f}", f"{method['mebibytes_a_step']:.1f}",
                f"{method['trained_parameters']:,}" if method["trained_parameters"] else "",
                f"{clips * (method['seconds_all'] + SECONDS_TO_JUDGE) / 3600:.1f}",
            ]
        )  # fmt: skip
    return _markdown(lines)


def equal_cost(found: Found) -> str:
    """Methods in the order of what sampling costs, with all that is cheaper or as dear above each."""
    methods = sorted(found["methods"].values(), key=lambda method: method["network_frames"])
    names = tuple(PRIMARY)
    lines = [["frames evaluated", "method", *(HEADS[name] for name in names)]]
    for method in methods:
        if method["kind"] in (UNTRAINED, POST_TUNED):
            cells = [_cell(method["figures"].get(name)) for name in names]
            lines.append([f"{method['network_frames']}", method["title"], *cells])
    return _markdown(lines)


def against(found: Found, other: str) -> str:
    """Differences from another method on the primary measures, with Holm's verdicts, and the protocol's word."""
    names = tuple(PRIMARY)
    title = found["methods"][other]["title"]
    lines = [[f"less that of: {title}", "seeds", *(HEADS[name] for name in names), "by the protocol's rule"]]
    for name, compared in found["against"][other].items():
        if compared is not None:
            cells = [_difference(compared["measures"][measure]) for measure in names]
            row = [found["methods"][name]["title"], f"{compared['seeds']}", *cells, compared["overall"]]
            lines.append(row)
    return _markdown(lines)


def ratios(found: Found, other: str) -> str:
    """Ratios to another method on the primary measures that are errors."""
    if other not in found["against"]:
        return f"`{other}` has not been made here."
    names = tuple(name for name, of in PRIMARY.items() if of.better == "lower")
    title = found["methods"][other]["title"]
    lines = [[f"over that of: {title}", *(HEADS[name].partition(",")[0] for name in names)]]
    for name, compared in found["against"][other].items():
        if compared is not None:
            told = [compared["measures"][measure] for measure in names]
            cells = [_bracketed(one["ratio"], one["ratio_interval"]) for one in told]
            lines.append([found["methods"][name]["title"], *cells])
    return _markdown(lines)


def kinds(found: Found) -> str:
    """The displacement error of the clips of each kind of motion, which are few: without intervals."""
    of_first = next(iter(found["methods"].values()))["displacement_error_by_kind"]
    lines = [["displacement error where a subject", *of_first]]
    for method in found["methods"].values():
        lines.append([method["title"], *(f"{error:.1f}" for error in method["displacement_error_by_kind"].values())])
    return _markdown(lines)


def events(found: Found, by: str) -> str:
    """The displacement error of the clips with each "kind" of event, or each "duration": without intervals."""
    methods = found["methods"].values()
    groups = next(iter(methods))["displacement_error_by_event"][by]
    frames = {"kind": "", "duration": " frames"}[by]
    lines = [["displacement error by the event's " + by, *(f"{group}{frames}" for group in groups)]]
    for method in methods:
        errors = method["displacement_error_by_event"][by]
        lines.append([method["title"], *(f"{errors[group]:.1f}" for group in groups)])
    return _markdown(lines)


def judged_motion(found: Found) -> str:
    """The share of clips whose motion the judge finds right, all seeds; McNemar's p of the first seed's clips.

    A column that no method has anything in is left out.
    """
    told = {method["title"]: method["judged_motion"] for method in found["methods"].values()}
    real = {"share": next(iter(told.values()))["real"]}
    if any("way_to_real" in one for one in told.values()):
        real["way_to_real"] = 1.0
    opponent = found["methods"].get(found["opponent"], {}).get("title", "")
    columns = {
        "motion judged right": ("share", ".3f"),
        "of the way from running directly to real clips": ("way_to_real", ".2f"),
        "McNemar's p against running directly": ("p", ".2g"),
        f"McNemar's p against: {opponent}": ("p_of_opponent", ".2g"),
    }
    rows = told | {"real clips": real}
    filled = {head: of for head, of in columns.items() if any(of[0] in one for one in rows.values())}
    cells = [[f"{one[name]:{form}}" if name in one else "" for name, form in filled.values()] for one in rows.values()]
    return _markdown([["", *filled], *([title, *row] for title, row in zip(rows, cells, strict=True))])


def frontier(found: Found) -> str:
    """Rows that train fewer parameters, and the share that each keeps of what the whole recipe wins over direct.

    Their start, of which nothing was trained, is the last.
    """
    heads = [f"share of the gain kept: {HEADS[name].partition(',')[0]}" for name in ERRORS]
    lines = [["", "trained parameters", "of the network's", "displacement error, pixels", *heads]]
    for share, method in rows_of_frontier(found):
        kept = [_cell(method["gain_kept"][name]) for name in ERRORS]
        error = _cell(method["figures"]["displacement error"])
        lines.append([method["title"], f"{method['trained_parameters']:,}", f"{share:.1%}", error, *kept])
    return _markdown(lines)


def held_out_losses(found: Found) -> str:
    """Held-out losses of the rows that are trained here by noise level, and the share that each keeps of the fall."""
    told = {name: method["held_out_loss"] for name, method in found["methods"].items() if method.get("held_out_loss")}
    if not told:
        return "Nothing has been trained here."
    first, whole = next(iter(told.values())), told.get(WHOLE)
    lines = [["held-out loss at noise level", *(f"sigma {sigma}" for sigma in first)]]
    for title, when in (("the base, run directly", "base"), ("before the first step", "start")):
        lines.append([title, *(f"{of[when]:.4f}" for of in first.values())])
    for name, losses in told.items():
        title = found["methods"][name]["title"]
        lines.append([f"{title}, halfway", *(f"{of['halfway']:.4f}" for of in losses.values())])
        ends = {sigma: f"{of['end']:.4f}" for sigma, of in losses.items()}
        if whole is not None and name != WHOLE:
            ends = {sigma: f"{end} ({_fall(losses[sigma]) / _fall(whole[sigma]):.0%})" for sigma, end in ends.items()}
        lines.append([f"{title}, at the end", *ends.values()])
    return _markdown(lines)


def _fall(losses: Mapping[str, float]) -> float:
    return losses["start"] - losses["end"]


def protocol(found: Found) -> str:
    """Split, regime, clips, seeds and machine of the figures, in one line."""
    told = found["protocol"]
    seeds = sorted({method["seeds"] for method in found["methods"].values()})
    many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    many += " seed" if many == "1" else " seeds"
    kind = "Exploratory: " if told["exploratory"] else ""
    moving = [method["figures"]["displacement error"]["clips"] for method in found["methods"].values()]
    of_moving = f"{min(moving)}" if min(moving) == max(moving) else f"{min(moving)} to {max(moving)}"
    return (
        f"{kind}split `{told['split']}`, world seed {told['world_seed']}, regime `{told['regime']}`: {told['clips']} "
        f"clips of {told['num_frames']} frames (displacement of the {of_moving} whose subjects move and are found), "
        f"{many}, {told['dtype']}, one thread of {told['cpu']}, shared with other work. Protocol "
        f"`{told['paper_sha256'][:12]}`."
    )


def _against_one(other: str, missing: str) -> Callable[[Found], str]:
    """The table of differences from a method, or that it is missing."""
    return lambda found: against(found, other) if other in found["against"] else missing


def verdict(found: Found) -> str:
    """The answer of a regime in one line: the pair that the protocol names, and its word for it."""
    held = found.get("held") or ()
    compared = found["against"].get(held[1], {}).get(held[0]) if held else None
    if compared is None:
        return "No pair that the protocol names has been compared here."
    title, other = (found["methods"][name]["title"] for name in held)
    better = [HEADS[name].partition(",")[0] for name, one in compared["measures"].items() if one["verdict"] == "better"]
    worse = [HEADS[name].partition(",")[0] for name, one in compared["measures"].items() if one["verdict"] == "worse"]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in (("better", better), ("worse", worse)) if names)
    return f"*{title}* against *{other}*: **{compared['overall']}**{f' ({told})' if told else ''}."


def pairs(settings: Mapping[str, Found], split: str) -> str:
    """The answer of every regime of a split that has one: its pair, running directly where that was made, and the word.

    Args:
        settings: by `Setting.name`.
        split: of them.
    """
    first, *others = PRIMARY
    names = (first, "trajectory error", *others)
    lines = [["frames", "made by", "cost", *(SHORT.get(name, name) for name in names)]]
    for found in largest(settings, split):
        held = found.get("held") or ()
        if held and held[0] in found["against"].get(held[1], {}):
            for method in dict.fromkeys((DIRECT, held[1], held[0])):
                if method in found["methods"]:
                    lines.append(_line_of_pair(found, method, names))
    return _markdown(lines)


def largest(settings: Mapping[str, Found], split: str) -> list[Found]:
    """Of each regime of a split the setting of the most clips, by the number of frames."""
    found: dict[str, Found] = {}
    for one in sorted(settings.values(), key=lambda one: int(one["protocol"]["clips"])):
        if one["protocol"]["split"] == split:
            found[one["protocol"]["regime"]] = one
    return sorted(found.values(), key=lambda one: int(one["protocol"]["num_frames"]))


def _line_of_pair(found: Found, name: str, measures: Sequence[str]) -> list[str]:
    told, frames = found["methods"][name], found["protocol"]["num_frames"]
    ours, other = found["held"]
    title = told["title"]
    if name == ours:
        title += f": **{found['against'][other][ours]['overall']}**"
    cost = f"{told['network_frames'] / (GUIDED * STEPS * frames):.2f}"
    return [f"{frames}", title, cost, *(_cell(told["figures"].get(measure)) for measure in measures)]


TABLES: dict[str, Callable[[Found], str]] = {
    "verdict": verdict,
    "protocol": protocol,
    "primary": primary,
    "costs": costs,
    "equal cost": equal_cost,
    "against the opponent": lambda found: against(found, found["opponent"]),
    "against keyframes": _against_one(KEYFRAMES[0], "No keyframes have been made here."),
    "against the continued base": _against_one(
        NEW_TO_THE_BASE, "No base has been continued on clips with events here."
    ),
    "ratios to direct": lambda found: ratios(found, DIRECT),
    "kinds of motion": kinds,
    "kinds of event": lambda found: events(found, "kind"),
    "durations of events": lambda found: events(found, "duration"),
    "exploratory": exploratory,
    "frontier": frontier,
    "held-out losses": held_out_losses,
    "judged motion": judged_motion,
}


def _of_measures(found: Found, names: Sequence[str]) -> str:
    lines = [["", "seeds", *(HEADS[name] for name in names)]]
    for method in found["methods"].values():
        cells = [_cell(method["figures"].get(name)) for name in names]
        lines.append([method["title"], f"{method['seeds']}", *cells])
    lines.append(["real clips", "", *(_cell(found[REAL].get(name)) for name in names)])
    return _markdown(lines)


def _cell(figure: Mapping[str, Any] | None) -> str:
    return "" if figure is None else _bracketed(figure["value"], figure["interval"])


def _difference(one: Mapping[str, Any]) -> str:
    verdict = "" if one["verdict"] == "undecided" else f" **{one['verdict']}**"
    return f"{_bracketed(one['difference'], one['difference_interval'])}{verdict}"


def _bracketed(value: float, interval: Sequence[float]) -> str:
    """To a hundredth, or to a thousandth where all are below one and a half."""
    places = 2 if max(abs(number) for number in (value, *interval)) >= 1.5 else 3
    middle, *bounds = (f"{round(number, places) + 0.0:.{places}f}" for number in (value, *interval))
    return f"{middle} [{bounds[0]}, {bounds[1]}]" if bounds else middle


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:]))
