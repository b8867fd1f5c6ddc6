"""The environments that CI tests in are of the versions that the packages publish: the oldest ends, and within."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
ENVIRONMENTS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["envs"]
PACKAGES = ("exvideo-blocks", "exvideo-eval", "exvideo-infer", "exvideo-train")


def project(package: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return found


def published(environment: str) -> Iterator[Requirement]:
    """Requirements of an environment's packages, less those of each other, with the extras that are installed in it."""
    for member in ENVIRONMENTS[environment]["workspace"]["members"]:
        of_package = project(ROOT / member["path"])
        extras = [one for name in member.get("features", ()) for one in of_package["optional-dependencies"][name]]
        for text in (*of_package["dependencies"], *extras):
            requirement = Requirement(text)
            if requirement.name not in PACKAGES:
                yield requirement


def pins(environment: str) -> dict[str, Version]:
    """The versions that an environment says exactly, by name."""
    found = (Requirement(text) for text in ENVIRONMENTS[environment]["dependencies"])
    return {one.name: Version(spec.version) for one in found for spec in one.specifier if spec.operator == "=="}


def test_the_oldest_environment_is_of_the_lowest_versions_that_are_published() -> None:
    lowest: dict[str, Version] = {}
    for requirement in published("oldest"):
        for spec in requirement.specifier:
            if spec.operator in (">=", "=="):
                version = Version(spec.version)
                lowest[requirement.name] = max(version, lowest.get(requirement.name, version))
    assert {"torch", "diffusers", "gradio", "fastapi"} <= lowest.keys()
    assert {name: pins("oldest").get(name) for name in lowest} == lowest


@pytest.mark.parametrize("environment", ["default", "oldest"])
def test_what_is_tested_is_within_what_is_published(environment: str) -> None:
    pinned = pins(environment)
    required = [one for one in published(environment) if one.name in pinned]
    outside = [str(one) for one in required if pinned[one.name] not in one.specifier]
    assert outside == []


def test_the_newest_environment_takes_whatever_is_newest() -> None:
    assert pins("newest") == {}
    assert ENVIRONMENTS["newest"]["template"] == "oldest"
