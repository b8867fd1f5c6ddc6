"""The figures of `compare` as the tables of docs/tiny-wan.md: python -m tiny_world.wan.table figures.json"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tiny_world.truth.over_seeds import TURNS
from tiny_world.wan.figures import ERROR, SHARE
from tiny_world.wan.post_tune import BEGINS_AT, LEARNING_RATES, LONGER
from tiny_world.wan.ways import OWN, TRAINING_FREE, WAYS

FAR = (ERROR, f"{ERROR} over direct", SHARE, "velocity error", TURNS)
KEPT = ("permanence", "censored", "shape right", "colour error", "judged right")
LEVELS = (*LEARNING_RATES, LONGER)
SECONDS = "seconds of a core to sample a clip"
HEADS = {
    ERROR: "displacement error, pixels",
    f"{ERROR} over direct": "over that of running directly",
    SHARE: "way gone, share of the true one",
    "velocity error": "velocity error, pixels a frame",
    TURNS: "turn timing error, frames",
    "permanence": "permanence",
    "censored": "subject not found, share",
    "shape right": "shape right",
    "colour error": "colour error, RGB distance",
    "judged right": "frames right in all",
}


def tables(found: Mapping[str, Any]) -> str:
    """Of how far things go, how well they are kept, levels against other ways, kinds of motion, seeds and noise."""
    ways = [*(way for way in WAYS if way != OWN), OWN, "real"]
    parts = [_of_ways(found, FAR, ways), _of_ways(found, KEPT, ways), _of_pairs(found), _of_kinds(found)]
    return "\n\n".join([*parts, _of_seeds(found), _of_noise(found)])


def _of_ways(found: Mapping[str, Any], names: Sequence[str], ways: Sequence[str]) -> str:
    seconds = found["seconds_a_clip"] if names == KEPT else None
    lines = [["40 frames, by", *(HEADS[name] for name in names), *([SECONDS] if seconds else [])]]
    for way in ways:
        title = WAYS[way].title if way in WAYS else "real clips"
        cells = [_cell(found["figures"].get(_key(name, way))) for name in names]
        lines.append([title, *cells, *([f"{seconds[way]:.2f}" if way in seconds else ""] if seconds else [])])
    return _markdown(lines)


def _of_pairs(found: Mapping[str, Any]) -> str:
    lines = [["displacement error over that of", *map(_short_title, LEVELS)]]
    for other in (*TRAINING_FREE, BEGINS_AT):
        cells = [_cell(found["figures"].get(f"{ERROR}: {level} over {other}")) for level in LEVELS]
        lines.append([WAYS[other].title, *cells])
    return _markdown(lines)


def _of_kinds(found: Mapping[str, Any]) -> str:
    """Means of clips of a kind, which are few: without intervals."""
    kinds = list(found["error_by_kind"][OWN])
    lines = [["displacement error where a subject", *kinds]]
    for name, way in WAYS.items():
        lines.append([way.title, *(f"{found['error_by_kind'][name][kind]:.1f}" for kind in kinds)])
    return _markdown(lines)


def _of_seeds(found: Mapping[str, Any]) -> str:
    """Means of a seed: of its noise, and of its run where a way is post-tuned."""
    lines = [["displacement error of seed", *map(str, found["protocol"]["seeds"])]]
    lines += [
        [WAYS[way].title, *(f"{error:.1f}" for error in errors)] for way, errors in found["error_by_seed"].items()
    ]
    return _markdown(lines)


def _of_noise(found: Mapping[str, Any]) -> str:
    """Of clips held out of the post-tuning: errors of the base run directly, and of each level over them."""
    lines = [["noise, deviations of a clip", "base, run directly", *map(_short_title, LEVELS)]]
    for sigma in (name for name in found["training"]["lora"] if name != "loss"):
        sides = [found["training"][level][sigma] for level in LEVELS]
        cells = [f"{side['extended']:.4f} ({side['extended'] / side['base']:.2f})" for side in sides]
        lines.append([sigma, f"{sides[0]['base']:.4f}", *cells])
    return _markdown(lines)


def _short_title(level: str) -> str:
    return WAYS[level].title.removeprefix("post-tuned, ")


def _key(name: str, way: str) -> str:
    """The name of a way's figure."""
    over = " over direct"
    return f"{name.removesuffix(over)}: {way}{over}" if name.endswith(over) else f"{name}: {way}"


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    value, *bounds = (f"{round(number, 2) + 0.0:.2f}" for number in (figure["value"], *figure["interval"]))
    return f"{value} [{bounds[0]}, {bounds[1]}]" if bounds else value


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:]))


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
