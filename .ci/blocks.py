"""The code blocks of our papers: each is run by a test, or says why not, in a comment of the line before it.

    <!-- file: first.yaml -->            the block is that file, in the folder that the page's blocks are run in
    <!-- exit: 1 -->                     it is run, and ends with that status
    <!-- run by: tests/test_x.py -->     another test runs it
    <!-- not run: a GPU -->              nothing runs it, for one of REASONS

Of the last two, what can be known without running them is checked: that Python, YAML and JSON are read, that names of
our packages, modules, make targets and pip extras exist, and that our commands take their options, whatever launches
them.

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
from importlib.util import find_spec
from io import StringIO
from itertools import dropwhile, pairwise
from pathlib import Path

import yaml
from checked import make_complaint, pip_complaint

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
# Run by `python -m` or a launcher, with a command line that can be read without running it.
MODULES = {
    "exvideo_infer": "exvideo_infer.cli",
    "exvideo_train": "exvideo_train.cli",
    "exvideo_eval": "exvideo_eval.cli",
    "benchmarks.quality": "benchmarks.quality.__main__",
}
_MARKER = r"<!-- (?P<kind>file|exit|run by|not run): (?P<value>[^\n]*?) -->\n"
_FENCED = r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)\n"
_BLOCK = re.compile(rf"(?:^{_MARKER})?{_FENCED}", re.DOTALL | re.MULTILINE)
_OTHER_FENCE = re.compile(r"^(?: +(?:`{3,}|~{3,})|~{3,})", re.MULTILINE)
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_OF_A_MODULE = ("-m", "--module")
_OURS = ("exvideo_", "benchmarks", "demo", "tiny_world")
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
    if found := _OTHER_FENCE.search(_BLOCK.sub("", text)):
        yield f"{page}: {found[0].strip()} is no fence that is read here: begin the line with ``` and a language."
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
        elif block.kind in ("not run", "run by"):
            yield from unread(block)


def unread(block: Block) -> Iterator[str]:
    """Errors of a block that can be known without running it."""
    if block.language == "python":
        yield from _wrong_names(block)
    elif block.language == "bash":
        yield from _wrong_options(block)
    elif block.language in WRITTEN:
        try:
            list(yaml.safe_load_all(block.code))  # JSON is YAML
        except yaml.YAMLError as error:
            yield f"{block}: this is no {block.language}: {' '.join(str(error).split())}."


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
        program, *arguments = _without_launcher(words)
        if "..." in words:
            continue
        if program == "make" or (program == "pip" and arguments[:1] == ["install"]):
            complaint = {"pip": pip_complaint, "make": make_complaint}[program](arguments)
            if complaint:
                yield f"{block}: {complaint}"
        elif f"{program} {' '.join(arguments[:1])}" in COMMANDS:
            yield from _not_taken(block, f"{program} {arguments[0]}", arguments[1:])
        elif program in COMMANDS or program in MODULES:
            yield from _not_taken(block, program, arguments)
        elif program.startswith(_OURS) and words[0] != program and not _can_be_run(program):
            yield f"{block}: there is no module {program} to run."


def _not_taken(block: Block, name: str, arguments: list[str]) -> Iterator[str]:
    """Complains of options that a command of ours does not take."""
    parser: ArgumentParser = import_module({**COMMANDS, **MODULES}[name])._parser()
    said = StringIO()
    try:
        with redirect_stderr(said):
            parser.parse_args(arguments)
    except SystemExit:
        yield f"{block}: {name} does not take this: {said.getvalue().splitlines()[-1]}"


def _without_launcher(words: list[str]) -> list[str]:
    """A command from its program on, or from the module of ours that it runs: without variables and launchers."""
    rest = list(dropwhile(_ASSIGNED.match, words))
    for place, (option, module) in enumerate(pairwise(rest)):
        if option in _OF_A_MODULE and module.startswith(_OURS):
            return rest[place + 1 :]
    return rest or [""]


def _can_be_run(module: str) -> bool:
    """True of a module, and of a package that can be run by its name."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return False
    is_package = found is not None and found.submodule_search_locations is not None
    return found is not None and (not is_package or find_spec(f"{module}.__main__") is not None)


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command line, continued lines as one, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words
