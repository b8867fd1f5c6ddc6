"""The environments that CI tests in are of the versions that the packages publish: the oldest ends, and within."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
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


@pytest.mark.parametrize(
    ("environment", "some"),
    [
        ("oldest", {"torch", "diffusers", "gradio", "fastapi"}),
        ("oldest-train", {"torch", "deepspeed", "mlflow", "pydantic", "bitsandbytes"}),
    ],
)
def test_the_oldest_environments_are_of_the_lowest_versions_that_are_published(
    environment: str, some: set[str]
) -> None:
    lowest: dict[str, Version] = {}
    for requirement in published(environment):
        for spec in requirement.specifier:
            if spec.operator in (">=", "=="):
                version = Version(spec.version)
                lowest[requirement.name] = max(version, lowest.get(requirement.name, version))
    assert some <= lowest.keys()
    assert {name: pins(environment).get(name) for name in lowest} == lowest


@pytest.mark.parametrize("end", ["oldest", "newest"])
def test_every_package_is_tested_at_both_ends(end: str) -> None:
    """A package whose tests are run by an environment in which it is installed."""
    tested = set[str]()
    for name, of in ENVIRONMENTS.items():
        if name.partition("-")[0] == end:
            installed = {member["path"] for member in of["workspace"]["members"]}
            paths = of["scripts"]["test"].partition("{args:")[2].strip("}").split()
            covered = {path for path in installed if any(path == one or path.startswith(f"{one}/") for one in paths)}
            assert covered, f"{name} tests none of what it installs"
            tested |= covered
    assert tested == {f"packages/{package}" for package in PACKAGES}


def test_ci_runs_every_environment_of_an_end() -> None:
    ends = [name for name in ENVIRONMENTS if name.partition("-")[0] in ("oldest", "newest")]
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [one["end"] for one in ci["jobs"]["versions"]["strategy"]["matrix"]["include"]] == ends
    makefile = (ROOT / "Makefile").read_text()
    assert [name for name in ends if f"run {name}:test\n" not in makefile] == []


@pytest.mark.parametrize("environment", ["default", "oldest", "oldest-train"])
def test_what_is_tested_is_within_what_is_published(environment: str) -> None:
    pinned = pins(environment)
    required = [one for one in published(environment) if one.name in pinned]
    outside = [str(one) for one in required if pinned[one.name] not in one.specifier]
    assert outside == []


def test_no_environment_lies_in_another() -> None:
    """Hatch takes a folder that exists for an environment that was made."""
    paths = [Path(of["path"]) for of in ENVIRONMENTS.values() if "path" in of]
    assert len(paths) == len(set(paths)) >= 3
    assert [(one, other) for one in paths for other in paths if one in other.parents] == []
    ignored, cleaned = ((ROOT / name).read_text() for name in (".gitignore", "Makefile"))
    for path in paths:
        assert f"/{path.parts[0]}/\n" in ignored
        assert f" {path.parts[0]} " in next(line for line in cleaned.splitlines() if "rm -rf .hatch" in line) + " "


def test_a_package_takes_nothing_older_than_the_siblings_that_it_stands_on_do() -> None:
    def floors(package: str) -> dict[str, Version]:
        required = [Requirement(text) for text in project(ROOT / "packages" / package)["dependencies"]]
        return {one.name: Version(spec.version) for one in required for spec in one.specifier if spec.operator == ">="}

    known = {package: floors(package) for package in PACKAGES}
    for package, lowest in known.items():
        for sibling in lowest.keys() & known.keys():
            shared = lowest.keys() & known[sibling].keys()
            assert {name: lowest[name] for name in shared if lowest[name] < known[sibling][name]} == {}, package
    for name in ("torch", "safetensors", "numpy", "av", "matplotlib"):  # of all, which are installed side by side
        assert len({lowest[name] for lowest in known.values() if name in lowest}) == 1, name


def test_classifiers_are_what_ci_tests() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    for job in ("test", "wheels"):
        tested = ci["jobs"][job]["strategy"]["matrix"]["python"]
        for package in PACKAGES:
            told = project(ROOT / "packages" / package)
            named = [one.rpartition(" ")[2] for one in told["classifiers"] if "Python :: 3." in one]
            assert named == tested, package
            assert told["requires-python"] == f">={tested[0]}"


def test_the_newest_environment_takes_whatever_is_newest() -> None:
    assert pins("newest") == {}
    assert ENVIRONMENTS["newest"]["template"] == "oldest"
