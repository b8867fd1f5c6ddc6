"""The figures of `compare` as the tables of docs/tiny-wan.md: python -m tiny_world.wan.table figures.json"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tiny_world.wan.figures import ERROR, SHARE, TURNS
from tiny_world.wan.post_tune import LEARNING_RATES
from tiny_world.wan.ways import OWN, TRAINING_FREE, WAYS

FAR = (ERROR, f"{ERROR} over direct", SHARE, "velocity error", TURNS)
KEPT = ("permanence", "censored", "shape right", "colour error", "judged right")
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
    """Three tables: how far things go, how well they are kept, and levels against what needs no training."""
    ways = [*(way for way in WAYS if way != OWN), OWN, "real"]
    return "\n\n".join([_of_ways(found, FAR, ways), _of_ways(found, KEPT, ways), _of_pairs(found)])


def _of_ways(found: Mapping[str, Any], names: Sequence[str], ways: Sequence[str]) -> str:
    lines = [["40 frames, by", *(HEADS[name] for name in names)]]
    for way in ways:
        title = WAYS[way].title if way in WAYS else "real clips"
        lines.append([title, *(_cell(found["figures"].get(_key(name, way))) for name in names)])
    return _markdown(lines)


def _of_pairs(found: Mapping[str, Any]) -> str:
    lines = [["displacement error over that of", *(f"`{level}`" for level in LEARNING_RATES)]]
    for other in TRAINING_FREE:
        cells = [_cell(found["figures"].get(f"{ERROR}: {level} over {other}")) for level in LEARNING_RATES]
        lines.append([WAYS[other].title, *cells])
    return _markdown(lines)


def _key(name: str, way: str) -> str:
    """The name of a way's figure."""
    over = " over direct"
    return f"{name.removesuffix(over)}: {way}{over}" if name.endswith(over) else f"{name}: {way}"


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    value, *bounds = (f"{number:.2f}" for number in (figure["value"], *figure["interval"]))
    return f"{value} [{bounds[0]}, {bounds[1]}]" if bounds else value


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:]))


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
