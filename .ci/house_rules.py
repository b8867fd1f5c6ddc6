"""House rules that no linter has: no circle of imports, docstrings that say what a thing is or does, tests by name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx
from mirror import untested

PACKAGES = ("exvideo_blocks", "exvideo_infer", "exvideo_eval", "exvideo_train", "tiny_world", "benchmarks", "demo")
QUESTIONS = {"What", "Whether", "How", "Where", "Which", "Why"}


def circles(packages: tuple[str, ...] = PACKAGES) -> Iterator[str]:
    """Modules that import each other, be it inside a function, for type checking, or through a package's face."""
    graph = grimp.build_graph(packages[0], *packages[1:])
    edges = [(module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module)]
    for members in networkx.strongly_connected_components(networkx.DiGraph(edges)):
        if len(members) > 1:
            yield f"These import each other: {', '.join(sorted(members))}: put what they share into one of its own."


def question_docstrings(path: Path) -> Iterator[str]:
    """Docstrings of a file that open with a question's word."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words and words[0].strip(",.:;?") in QUESTIONS:
                line = getattr(node, "lineno", 1)
                yield f"{path}:{line}: the docstring opens with {words[0]!r}: say what the thing is or does."


def main() -> int:
    """Prints what breaks a rule; 1 if something does."""
    files = subprocess.run(["git", "ls-files", "-z", "*.py"], capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in files.split("\0") if name and Path(name).is_file()]
    found = [*circles(), *(complaint for path in paths for complaint in question_docstrings(path))]
    found += untested(Path())
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.path.insert(0, ".")  # for the packages that are run from the repository
    sys.exit(main())
