"""`exvideo-eval ab BASE HEAD --suite PATH`: two versions side by side, a page of verdicts, and an exit status.

    exvideo-eval ab main HEAD --suite benchmarks/suite.py                         # two environments: pip install .
    exvideo-eval ab main HEAD --suite benchmarks/suite.py --env none --path src   # this Python, on each version's files

Exit status: 0; 1 if an exact count got worse, or a function of the suite fails at head; 2 if nothing can be measured.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from exvideo_eval.ab.environments import Environment, copy_harness, installed, present
from exvideo_eval.ab.files import require_writable, write_files
from exvideo_eval.ab.judging import judge
from exvideo_eval.ab.processes import PLAIN, PYTEST, Task, measure, require_own_code
from exvideo_eval.ab.sides import BASE, HEAD
from exvideo_eval.ab.summary import Run, as_markdown
from exvideo_eval.ab.versions import Version, accepted_in_messages, checked_out, commits_to_compare, repository_root
from exvideo_eval.machine import cpu_name

INSTALL = "python -m pip install --quiet ."


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see the module's text for its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        repository = repository_root(Path.cwd())
        base, head = commits_to_compare(repository, options.base, options.head)
        require_writable(options.output, _job_summary())
        with (
            tempfile.TemporaryDirectory(prefix="exvideo-ab-") as folder,
            checked_out(repository, base, head, Path(folder)) as versions,
        ):
            return _compare(options, repository, versions, Path(folder))
    except (OSError, ValueError) as error:
        print(f"exvideo-eval ab: {_in_one_sentence(error)}", file=sys.stderr)
        return 2


def _in_one_sentence(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError) or error.filename is None:
        return str(error)
    return f"{error.filename} cannot be read or written ({error.strerror}): see that it can, and that there is room."


def _compare(options: argparse.Namespace, repository: Path, versions: tuple[Version, Version], folder: Path) -> int:
    suite, name = _copy_suite(options.suite, repository, versions[1], folder / "suite")
    harness = copy_harness(folder / "harness")
    environments = {version.name: _environment(options, version, harness, folder) for version in versions}
    task = Task(suite, options.harness, options.seconds, options.limit)
    found = measure(environments, task, options.rounds, folder, _tell)
    if not any(run.counts or run.times for run in found[HEAD]):
        failures = [f"{what}: {why}" for what, why in found[HEAD][0].failed.items()]
        said = "; ".join(failures) or "it has no function bench_..."
        raise ValueError(f"The suite {name} measured nothing at head ({said}): mend it first.")
    if options.env == "none":
        require_own_code(found, environments, repository)
    commits = {version.name: version.commit for version in versions}
    accepted = [*options.accept, *accepted_in_messages(repository, commits[BASE], commits[HEAD])]
    judgement = judge(found, options.threshold, accepted)
    run = Run(
        commits=commits,
        suite=name,
        suite_sha256=_sha256(suite),
        rounds=options.rounds,
        threads=options.threads,
        cpu=cpu_name(),
        environment=_environment_in_words(options),
        threshold=options.threshold,
    )
    page = as_markdown(judgement, run)
    write_files(options.output, run, found, judgement, page)
    _show(page)
    return 0 if judgement.passed else 1


def _copy_suite(given: Path, repository: Path, head: Version, folder: Path) -> tuple[Path, str]:
    """Copies head's suite, so that base finds nothing else of head; one from outside of the repository as it is.

    Returns:
        The copy, and the suite's name.

    Raises:
        ValueError: there is no such file.
    """
    path = given.resolve()
    if not path.is_relative_to(repository.resolve()):
        source, name = path, given.name
        if not source.exists():
            raise ValueError(f"--suite {given} does not exist: give a Python file, or a folder of them.")
    else:
        name = path.relative_to(repository.resolve()).as_posix()
        source = head.folder / name
        if not source.exists():
            raise ValueError(f"--suite {given} is not in the commit {head.commit[:10]} (head): commit it first.")
    copied = folder / source.name
    if source.is_dir():
        shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        folder.mkdir()
        shutil.copy2(source, copied)
    return copied, name


def _environment(options: argparse.Namespace, version: Version, harness: Path, folder: Path) -> Environment:
    if options.env == "none":
        return present(version, harness, options.path, options.threads)
    _tell(f"installing {version.name}, {version.commit[:10]}")
    return installed(version, harness, options.install or [INSTALL], folder / f"env-{version.name}", options.threads)


def _environment_in_words(options: argparse.Namespace) -> str:
    if options.env == "none":
        return "one environment, each version's files"
    return f"two environments, {' && '.join(options.install or [INSTALL])}"


def _sha256(suite: Path) -> str:
    digest = hashlib.sha256()
    for file in [suite] if suite.is_file() else sorted(path for path in suite.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(suite.parent)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _show(page: str) -> None:
    """On the terminal, and in the job's summary where there is one."""
    print(page)
    if summary := _job_summary():
        with summary.open("a", encoding="utf-8") as file:
            file.write(page + "\n")


def _job_summary() -> Path | None:
    """The file that GitHub shows as the job's summary, in one of its jobs."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named else None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _check(options: argparse.Namespace) -> None:
    for name, least in (("rounds", 1), ("threads", 1), ("seconds", 0.0), ("threshold", 0.0), ("limit", 1.0)):
        value = getattr(options, name)
        if not value >= least:
            raise ValueError(f"--{name} is {value}: give at least {least}.")
    if options.env == "none" and options.install:
        raise ValueError("--install is given with --env none, which installs nothing: leave one out.")
    if options.env == "venv" and options.path:
        raise ValueError("--path is given with --env venv, which installs the versions: add --env none.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exvideo-eval ab",
        description="Measure two versions of this repository side by side, by the suite of HEAD.",
        epilog="Exit status: 1 if an exact count got worse or head fails, 2 if nothing can be measured, else 0.",
    )
    add = parser.add_argument
    add("base", help="branch or commit; head is compared with where it left it")
    add("head", help="branch or commit, such as HEAD")
    add("--suite", type=Path, required=True, metavar="PATH", help="file of functions bench_..., or a folder of them")
    add("--harness", choices=(PLAIN, PYTEST), default=PLAIN, help="what the suite is written for; default: %(default)s")
    add("--env", choices=("venv", "none"), default="venv", help="new environments, or this one; default: %(default)s")
    add("--install", action="append", metavar="COMMAND", help=f"to install a version, repeatable; default: {INSTALL}")
    add("--path", action="append", default=[], metavar="PATTERN", help="with --env none: folders to import from")
    add("--rounds", type=int, default=9, help="processes a side; six or more give intervals; default: %(default)s")
    add("--seconds", type=float, default=0.3, help="a timing takes in a process; default: %(default)s")
    add("--threads", type=int, default=1, help="of NumPy and PyTorch; default: %(default)s")
    add("--threshold", type=float, default=0.05, help="of times, as a fraction; default: %(default)s")
    add("--accept", action="append", default=[], metavar="PATTERN", help="counts that may get worse: '*operators'")
    add("--limit", type=float, default=600.0, metavar="SECONDS", help="a process may take; default: %(default)s")
    add("--output", type=Path, default=Path("out/ab"), metavar="DIR", help="default: %(default)s")
    return parser
