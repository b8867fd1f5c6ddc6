"""A new repository uses the guide's lines as they stand there: the suite, the command, the action."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from exvideo_eval.cli import main

ROOT = Path(__file__).parents[4]
GUIDE = ROOT / "docs" / "benchmarks-in-your-ci.md"
ACTION = ROOT / ".github" / "actions" / "ab" / "action.yml"

PYPROJECT = """
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "yourpackage"
version = "1"
"""

pytestmark = pytest.mark.skipif(not GUIDE.exists(), reason="the guide and the action are in the repository alone")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def yours(repository: Any) -> Any:
    """A repository of two commits, the second of which makes one row more."""
    repository.git("rm", "--quiet", "-r", "toy", "bench.py")
    repository.write("bench.py", block("python"))
    repository.write("yourpackage/__init__.py", "def work(count): return list(range(count))\n")
    repository.commit("A package and its suite")
    repository.write("yourpackage/__init__.py", "def work(count): return list(range(count + 1))\n")
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit("One row more")
    return repository


def test_the_suite_and_the_workflow_are_ten_lines_and_some() -> None:
    assert len([line for line in block("yaml").splitlines() if line.strip()]) <= 10
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 5
    steps = yaml.safe_load(block("yaml"))["jobs"]["ab"]["steps"]
    assert set(steps[-1]["with"]) <= set(yaml.safe_load(ACTION.read_text())["inputs"])
    assert ".github/actions/ab@" in steps[-1]["uses"]


def test_the_command_finds_one_row_more(yours: Any, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = block("bash").split()
    assert program == "exvideo-eval"
    assert main([*arguments, "--rounds", "1", "--seconds", "0"]) == 1
    assert "| work: results | rows | 1,000 | 1,001 | +1 (+0.10%) | worse |" in capsys.readouterr().out


@pytest.fixture
def installable(repository: Any) -> Any:
    """A new repository with a package that must be installed to be found, and the guide's lines, as CI checks it out.

    Checked out is the merge of `topic` into `main`; topic makes one row more.
    """
    repository.git("rm", "--quiet", "-r", "toy", "bench.py")
    repository.write("pyproject.toml", PYPROJECT)
    repository.write("src/yourpackage/__init__.py", "def work(count): return list(range(count))\n")
    repository.write("bench.py", block("python"))
    repository.write(".github/workflows/ab.yml", block("yaml"))
    repository.commit("A package, its suite and its workflow")
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.write("src/yourpackage/__init__.py", "def work(count): return list(range(count + 1))\n")
    repository.commit("One row more")
    repository.git("checkout", "--quiet", "--detach", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "Merge topic into main", "topic")
    return repository


def act(folder: Path, inputs: Mapping[str, str], summary: Path) -> subprocess.CompletedProcess[str]:
    """Runs the action's one step as a runner does, with the defaults of its inputs."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    (step,) = action["runs"]["steps"]
    given = {name: str(one.get("default", "")) for name, one in action["inputs"].items()} | dict(inputs)
    variables = {name: given[re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", text)[1]] for name, text in step["env"].items()}  # type: ignore[index]
    runner = {"GITHUB_ACTION_PATH": str(ACTION.parent), "GITHUB_STEP_SUMMARY": str(summary)}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | runner | variables
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_action_fails_a_pull_request_of_one_row_more(yours: Any, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    inputs = {"base": "main", "suite": "bench.py", "env": "none", "path": ".\n", "rounds": "1"}
    inputs |= {"python": sys.executable}
    done = act(yours.root, inputs, summary)
    assert done.returncode == 1, done.stderr
    assert "| work: results | rows | 1,000 | 1,001 |" in summary.read_text()
    assert act(yours.root, inputs | {"head": "main"}, summary).returncode == 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_action_as_it_comes_installs_both_versions(
    installable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))  # its python3
    workflow = yaml.safe_load((installable.root / ".github/workflows/ab.yml").read_text())
    given = workflow["jobs"]["ab"]["steps"][-1]["with"]
    assert "github.event.pull_request.base.sha" in yaml.safe_load(ACTION.read_text())["inputs"]["base"]["default"]
    event = {"base": installable.git("rev-parse", "main")}
    done = act(installable.root, event | given, tmp_path / "summary.md")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "summary.md").read_text()
    assert "| work: results | rows | 1,000 | 1,001 | +1 (+0.10%) | worse |" in page
    assert "9 rounds, " in page
    assert "two environments, python -m pip install --quiet ." in page
    assert re.search(r"\| work: time \| CPU \| .* \| \d\.\d{3} \[\d", page), page
    assert (installable.root / "out/ab/head.json").is_file()

    installable.git("commit", "--quiet", "--amend", "-m", "Merge topic\n\nAccept-worse: work: results")
    accepted = act(installable.root, event | given | {"rounds": "1"}, tmp_path / "accepted.md")
    assert accepted.returncode == 0, accepted.stderr
    assert "| worse, accepted |" in (tmp_path / "accepted.md").read_text()


def test_the_command_needs_nothing_but_python(yours: Any) -> None:
    source = ROOT / "packages" / "exvideo-eval" / "src"
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from exvideo_eval.cli import main; sys.exit(main())"
    arguments = ["ab", "main", "topic", "--suite", "bench.py", "--env", "none", "--rounds", "1", "--seconds", "0"]
    command = [sys.executable, "-I", "-S", "-c", code, str(source), *arguments]
    done = subprocess.run(command, cwd=yours.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert (yours.root / "out/ab/head.json").is_file()
