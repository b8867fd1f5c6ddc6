"""Each version is run by a Python of its own, where it is installed."""

from typing import Any

import pytest
from exvideo_eval.cli import main

SETUP = """
from setuptools import setup

setup(name="toy", version="1", packages=["toy"], package_dir={"": "src"})
"""


@pytest.mark.long
def test_each_version_is_installed_in_an_environment_of_its_own(
    repository: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # setup.py, as what `python -m venv` brings can install it without a network
    install = "python setup.py --quiet install --single-version-externally-managed --record files.txt"
    for number in ("1", "2"):
        repository.write("setup.py", SETUP)
        repository.write("src/toy/__init__.py", f"def steps(): return {number}\n")
        repository.write("bench.py", "import toy\ndef bench_a(bench): bench.record('steps', toy.steps(), 'steps')\n")
        repository.git("rm", "-r", "--quiet", "--ignore-unmatch", "toy")
        repository.commit()
    fast = ["--rounds", "1", "--seconds", "0", "--suite", "bench.py"]
    assert main(["ab", "HEAD^", "HEAD", *fast, "--install", install]) == 1
    printed = capsys.readouterr().out
    assert "| a: steps | steps | 1 | 2 | +1 (+100.00%) | worse |" in printed
    assert f"two environments, {install}" in printed


def test_an_install_that_fails_is_said(repository: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--suite", "bench.py", "--install", "python -c 'raise SystemExit(\"no wheel\")'"]
    assert main(["ab", "HEAD", "HEAD", *options]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "failed for base with 'no wheel': see --install." in last
