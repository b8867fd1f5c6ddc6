"""All rows that are trained here, by name and by group, with what each costs."""

from benchmarks.quality.continued import CONTINUED_ROWS, Continued
from benchmarks.quality.recipes import ABLATION_ROWS, CONTROL_ROWS, HEADLINE_ROWS, RECIPES, Recipe

Trained = Recipe | Continued
TRAINED: dict[str, Trained] = {**RECIPES, **CONTINUED_ROWS}
OF_EVENTS = {name: row for name, row in CONTINUED_ROWS.items() if row.with_events}  # which an opponent is
OTHERS = {name: row for name, row in CONTINUED_ROWS.items() if not row.with_events}
WHOLE = "full"  # what the others are compared with
GROUPS = ("headline", "ablations", "controls")


def rows_of(group: str) -> dict[str, Trained]:
    """The recipes of a group of `GROUPS`, with the whole one; of one of the ablations' own; or a row by its name.

    Raises:
        ValueError: there is no such group or row.
    """
    groups: dict[str, dict[str, Trained]] = {
        "headline": {**HEADLINE_ROWS, **OF_EVENTS},
        "ablations": {**ABLATION_ROWS},
        "controls": {**CONTROL_ROWS, **OTHERS},
    }
    if group in groups:
        return {WHOLE: TRAINED[WHOLE], **groups[group]}
    if group in TRAINED:
        return {group: TRAINED[group]}
    found = {name: recipe for name, recipe in TRAINED.items() if recipe.group == group}
    if not found:
        known = dict.fromkeys([*GROUPS, *(recipe.group for recipe in TRAINED.values()), *TRAINED])
        raise ValueError(f"rows are {group!r}: choose from {', '.join(known)}.")
    return found


def table() -> str:
    """The rows with what each costs, as Markdown."""
    lines = ["| row | group | steps | seeds x clips | hours, about |", "| --- | --- | --- | --- | --- |"]
    for recipe in TRAINED.values():
        size = f"{len(recipe.size.seeds)} x {recipe.size.clips}"
        lines.append(f"| {recipe.title} | {recipe.group} | {recipe.steps:,} | {size} | {recipe.hours:.1f} |")
    total = sum(recipe.hours for recipe in TRAINED.values())
    return "\n".join([*lines, f"| all of them | | | | {total:.0f} |"])
