"""The code blocks of our papers: each is run by a test, or says why not, in a comment of the line before it.

    <!-- file: first.yaml -->            the block is that file, in the folder that the page's blocks are run in
    <!-- exit: 1 -->                     it is run, and ends with that status
    <!-- run by: tests/test_x.py -->     another test runs it
    <!-- not run: a GPU -->              nothing runs it, for one of REASONS; its options and names are checked

`text` and `math` are no code. What a block needs beside what blocks before it left is in tests/test_guides.py.
"""

import ast
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path

RUN, WRITTEN, SILENT = ("python", "bash"), ("yaml", "json"), ("text", "math")
LANGUAGES = (*RUN, *WRITTEN, *SILENT)
REASONS = {
    "a GPU": "it takes one or more",
    "a hub": "it downloads a model of full size",
    "machines": "it is for a cluster",
    "a server": "it stays until it is ended",
    "hours": "it takes them",
    "your files": "it names files that only a reader has",
    "a download": "it takes something from another site",
    "a piece": "it goes on from something that is not on the page",
}
COMMANDS = {
    "exvideo-generate": "exvideo_infer.cli",
    "exvideo-app": "exvideo_infer.app.cli",
    "exvideo-serve": "exvideo_infer.server.cli",
    "exvideo-train": "exvideo_train.cli",
    "exvideo-prepare": "exvideo_train.prepare.cli",
    "exvideo-eval": "exvideo_eval.cli",
    "exvideo-eval compare": "exvideo_eval.compare_command",
    "exvideo-eval ab": "exvideo_eval.ab.command",
}
_MARKER = r"<!-- (?P<kind>file|exit|run by|not run): (?P<value>[^\n]*?) -->\n"
_FENCED = r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)\n"
_BLOCK = re.compile(rf"(?:^{_MARKER})?{_FENCED}", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"\n\n(?: {4}|\t)(?! *(?:[-*]|\d+\.) )[^\n]")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it stands, its language and text, and what its marker says of it."""

    page: Path
    line: int
    language: str
    code: str
    kind: str = ""
    value: str = ""

    @property
    def is_run(self) -> bool:
        """True of a block that the page's own test runs."""
        return self.language in RUN and self.kind in ("", "exit")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start("fence")) + 1, found["language"].strip(), found["code"],
              found["kind"] or "", found["value"] or "")
        for found in _BLOCK.finditer(text)
    ]  # fmt: skip


def complaints(page: Path, root: Path) -> Iterator[str]:
    """Blocks of a page that nobody could run and that do not say so rightly."""
    text = page.read_text(encoding="utf-8")
    if _INDENTED.search(_BLOCK.sub("", text)):
        yield f"{page}: a block is indented: fence it, and name its language."
    for block in read_blocks(page):
        if block.language not in LANGUAGES:
            yield f"{block}: the language {block.language!r} is unknown: name one of {', '.join(LANGUAGES)}."
        elif block.language in WRITTEN and not block.kind:
            yield f"{block}: no test reads this {block.language}: say `file:`, `run by:` or `not run:`."
        elif block.kind == "not run" and block.value not in REASONS:
            yield f"{block}: {block.value!r} is no reason not to be run: give one of {', '.join(REASONS)}."
        elif block.kind == "run by" and not (root / block.value).is_file():
            yield f"{block}: {block.value} is no file, so nothing runs it."
        elif block.kind == "run by" and page.name not in (root / block.value).read_text(encoding="utf-8"):
            yield f"{block}: {block.value} does not name {page.name}, so it does not run it."
        elif block.kind == "not run":
            yield from unread(block)


def unread(block: Block) -> Iterator[str]:
    """Errors of a block that is not run: in its syntax, in names of our packages, in options of our commands."""
    if block.language == "python":
        yield from _wrong_names(block)
    elif block.language == "bash":
        yield from _wrong_options(block)


def _wrong_names(block: Block) -> Iterator[str]:
    try:
        tree = ast.parse(block.code)
    except SyntaxError as error:
        yield f"{block}: this is no Python: {error}."
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exvideo_"):
            module = import_module(node.module or "")
            lacking = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            if lacking:
                yield f"{block}: {node.module} has no {', '.join(lacking)}."


def _wrong_options(block: Block) -> Iterator[str]:
    for words in commands(block.code):
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
        if name in COMMANDS and "..." not in words:
            parser: ArgumentParser = import_module(COMMANDS[name])._parser()
            said = StringIO()
            try:
                with redirect_stderr(said):
                    parser.parse_args(words[len(name.split()) :])
            except SystemExit:
                yield f"{block}: {name} does not take this: {said.getvalue().splitlines()[-1]}"


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command line, continued lines as one, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words
