"""The pages of the evidence and README.md, filled from docs/evidence/figures.json: python -m benchmarks.quality.page

<!-- evidence: validate/several-rates_28: primary -->   a table of `tables.TABLES` of a setting, until
<!-- /evidence -->
<!-- evidence: validate: lengths -->                    of all lengths of a split
<!-- evidence: test: pairs -->                          of the pairs that the protocol names, in all regimes of a split
<!-- evidence: rows: rows -->                           of the rows that are trained here, with their costs
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality import frontier, lengths
from benchmarks.quality.files import locked, read_json, write_json
from benchmarks.quality.in_text import with_figures
from benchmarks.quality.lengths import crossovers, lengths_of
from benchmarks.quality.protocol import TEST
from benchmarks.quality.tables import TABLES, pairs
from benchmarks.quality.trained import table as rows

ROOT = Path(__file__).parents[2]
PAGE, FOLDER = ROOT / "docs" / "evidence.md", ROOT / "docs" / "evidence"
README, EXPLORATORY = ROOT / "README.md", PAGE.with_name("evidence-exploratory.md")
PAGES = (PAGE, EXPLORATORY, README)
FIGURES = FOLDER / "figures.json"
FORMAT = "exvideo.evidence/1"

OF_SPLITS = {"lengths": crossovers, "pairs": pairs}

_WAYS_OUT = "make what is missing first, give --figures another path, or --replace if it may go"
_PLACE = re.compile(r"(<!-- evidence: (.+?): (.+?) -->\n).*?(?=<!-- /evidence -->)", re.DOTALL)


def filled(text: str, found: Mapping[str, Any]) -> str:
    """A page's text with its tables, and the figures in its text, filled.

    Args:
        text: of the page.
        found: as `read` gives it.

    Raises:
        ValueError: a place names a setting, a table or a figure that there is not.
    """
    settings = found["settings"]

    def table(place: re.Match[str]) -> str:
        setting, name = place[2], place[3]
        if (setting, name) == ("rows", "rows"):
            return f"{place[1]}{rows()}\n"
        if name in OF_SPLITS and any(each.startswith(f"{setting}/") for each in settings):
            return f"{place[1]}{OF_SPLITS[name](settings, setting)}\n"
        if setting not in settings or name not in TABLES:
            raise ValueError(
                f"The page asks for {name!r} of {setting!r}: there are {', '.join(TABLES)} of {', '.join(settings)}."
            )
        return f"{place[1]}{TABLES[name](settings[setting])}\n"

    return with_figures(_PLACE.sub(table, text), settings)


def read(path: Path = FIGURES) -> dict[str, Any]:
    """The committed figures: `settings`, by `Setting.name`.

    Raises:
        ValueError: it is no file of figures.
    """
    way_out = "put back the one that was committed, or give --figures another path"
    found = read_json(path, way_out)
    if found.get("format") != FORMAT or not isinstance(found.get("settings"), dict):
        raise ValueError(f"{path} is no file of figures of the format {FORMAT!r}: {way_out}.")
    return found


def keep(setting: str, figures: Mapping[str, Any], path: Path, replace: bool = False) -> None:
    """Puts a setting's figures into a file, beside those of others.

    Args:
        replace: whether figures of the setting may go.

    Raises:
        ValueError: a method, or seeds of one, would go; or figures of the test split would change.
    """
    with locked(path):
        known: dict[str, Any] = read(path) if path.exists() else {"format": FORMAT, "settings": {}}
        lost = None if replace else _lost(known["settings"].get(setting), figures)
        if lost is not None:
            raise ValueError(f"{path} has {lost} of {setting}, which these figures have not: {_WAYS_OUT}.")
        known["settings"][setting] = figures
        write_json(path, known)


def _lost(known: Mapping[str, Any] | None, figures: Mapping[str, Any]) -> str | None:
    """The first thing that would go with the figures that are known of a setting."""
    for name, method in {} if known is None else known["methods"].items():
        now = figures["methods"].get(name)
        if now is None:
            return f"the method {name}"
        if now["seeds"] < method["seeds"]:
            return f"{method['seeds']} seeds of the method {name}"
        changed = [measure for measure, of in method["figures"].items() if now["figures"].get(measure) != of]
        if figures["protocol"]["split"] == TEST and now["seeds"] == method["seeds"] and changed:
            return f"another {changed[0]} of the method {name}, though the test split is judged once,"
    return None


def main() -> int:
    """Fills the pages again, and draws the curves that they show: of lengths, of levels; 0 when it is done."""
    found = read()
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for split in dict.fromkeys(name.partition("/")[0] for name in found["settings"]):
        picture = FOLDER / f"{split}_lengths.png"
        if picture.name in shown and lengths_of(found["settings"], split) > 1:
            lengths.draw(picture, found["settings"], split)
    for name, figures in found["settings"].items():
        picture = FOLDER / f"{name.replace('/', '_')}_frontier.png"
        if picture.name in shown:
            frontier.draw(picture, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
