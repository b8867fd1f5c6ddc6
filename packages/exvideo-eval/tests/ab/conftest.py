import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_eval.cli import main

PROGRAM = """
import time

SECONDS = {seconds}


def work():
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        pass


def steps():
    return {steps}
"""
SUITE = """
import toy


def bench_work(bench):
    bench.record("steps", toy.steps(), "steps")
    bench.time(toy.work)
"""


class Repository:
    """A git repository of a package `toy` and its suite, to which versions are committed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")
        self.git("config", "commit.gpgsign", "false")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def commit(self, message: str = "A change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def commit_toy(self, seconds: float = 0.001, steps: int = 10, message: str = "A change") -> str:
        self.write("toy/__init__.py", PROGRAM.format(seconds=seconds, steps=steps))
        return self.commit(message)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    repository = Repository(root)
    repository.write("bench.py", SUITE)
    repository.write(".gitignore", "out/\n__pycache__/\n")
    repository.commit_toy()
    return repository


@pytest.fixture
def compare(repository: Repository) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs `exvideo-eval ab` quickly: its exit status and verdicts.json."""

    def run(base: str, head: str, *options: str) -> tuple[int, dict[str, Any]]:
        fast = ["--env", "none", "--seconds", "0.02", "--rounds", "2", "--suite", "bench.py"]
        status = main(["ab", base, head, *fast, *options])
        verdicts = repository.root / "out/ab/verdicts.json"
        return status, json.loads(verdicts.read_text()) if verdicts.exists() else {}

    return run
