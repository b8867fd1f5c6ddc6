"""The pages of the evidence and README.md, filled from docs/evidence/figures.json: python -m benchmarks.quality.page

<!-- evidence: validate/several-rates_28: primary -->   a table of `tables.TABLES` of a setting, until
<!-- /evidence -->
<!-- evidence: validate: lengths -->                    of all lengths of a split
<!-- evidence: test: pairs -->                          of the pairs that the protocol names, in all regimes of a split
<!-- evidence: rows: rows -->                           of the rows that are trained here, with their costs
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.in_text import with_figures
from benchmarks.quality.lengths import crossovers, draw, lengths_of
from benchmarks.quality.tables import TABLES, pairs
from benchmarks.quality.trained import table as rows

ROOT = Path(__file__).parents[2]
PAGE, FOLDER = ROOT / "docs" / "evidence.md", ROOT / "docs" / "evidence"
README, EXPLORATORY = ROOT / "README.md", PAGE.with_name("evidence-exploratory.md")
PAGES = (PAGE, EXPLORATORY, README)
FIGURES = FOLDER / "figures.json"
FORMAT = "exvideo.evidence/1"

OF_SPLITS = {"lengths": crossovers, "pairs": pairs}

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
    """The committed figures: `settings`, by `Setting.name`."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def keep(setting: str, figures: Mapping[str, Any], path: Path) -> None:
    """Puts a setting's figures into a file, beside those of others."""
    known: dict[str, Any] = read(path) if path.exists() else {"format": FORMAT, "settings": {}}
    known["settings"][setting] = figures
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    """Fills the pages again, and draws the curves of a split with several lengths; 0 when it is done."""
    found = read()
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    for split in dict.fromkeys(name.partition("/")[0] for name in found["settings"]):
        if lengths_of(found["settings"], split) > 1:
            draw(FOLDER / f"{split}_lengths.png", found["settings"], split)
    return 0


if __name__ == "__main__":
    sys.exit(main())
