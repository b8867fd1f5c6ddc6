"""Checks that what is about to be released is whole: python .ci/release.py --tag v0.1.0 [--dist dist]

The tag is the version of all four packages, the changelog has it with its date, the wheels hold every file of the
sources (weights and py.typed among them), addresses name an owner, and every block of the READMEs runs.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

PACKAGES = ("exvideo-blocks", "exvideo-infer", "exvideo-eval", "exvideo-train")
# Files that a package is of no use without, beside py.typed, which all have.
WEIGHTS = {
    "exvideo-infer": ("embedded/unet/*.safetensors", "embedded/vae/*.safetensors", "embedded/extension.safetensors"),
    "exvideo-eval": ("tiny_world/*.safetensors",),
}
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def versions(root: Path) -> dict[str, str]:
    """The version of each package, as its sources say."""
    found = {}
    for package in PACKAGES:
        module = package.replace("-", "_")
        source = root / "packages" / package / "src" / module / "__init__.py"
        found[package] = "".join(_VERSION.findall(source.read_text(encoding="utf-8")))
    return found


def version_complaints(root: Path, tag: str) -> Iterator[str]:
    """A tag that is not the version of every package and of the citation."""
    found = versions(root)
    found["CITATION.cff"] = "".join(re.findall(r"^version: (\S+)$", (root / "CITATION.cff").read_text(), re.MULTILINE))
    if not tag:
        told = ", ".join(f"v{version}" for version in dict.fromkeys(found.values()))
        yield f"HEAD has no tag: set one, or name it, TAG=...; the versions are {told}."
        return
    for name, version in found.items():
        if tag != f"v{version}":
            yield f"The tag is {tag} and the version of {name} is {version}: make them one."


def changelog_complaints(root: Path, tag: str) -> Iterator[str]:
    """A changelog without a dated section of the version."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    version = tag.removeprefix("v")
    if not version:  # which `version_complaints` tells
        return
    if not re.search(rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE):
        yield f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`: write it, with the date of the release."


def metadata_complaints(root: Path) -> Iterator[str]:
    """Addresses without an owner, and siblings that a package's range leaves out."""
    found = versions(root)
    for package in PACKAGES:
        project = tomllib.loads((root / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        urls = project.get("urls", {})
        unowned = [name for name, address in urls.items() if "/OWNER/" in f"{address}/"]
        if unowned or not urls:
            which = ", ".join(unowned) or "of the project"
            yield f"{package}: the addresses {which} name no owner: see CONTRIBUTING.md."
        extras = [one for names in project.get("optional-dependencies", {}).values() for one in names]
        for requirement in (*project["dependencies"], *extras):
            sibling = re.match(r"(exvideo-\w+)(?:\[.*\])?>=([\d.]+),<([\d.]+)$", requirement)
            if sibling and not _numbers(sibling[2]) <= _numbers(found[sibling[1]]) < _numbers(sibling[3]):
                yield f"{package} requires {requirement}, and {sibling[1]} is {found[sibling[1]]}: widen it."


def wheel_complaints(root: Path, dist: Path) -> Iterator[str]:
    """Wheels that are not there, of another version, or lack a file of the sources."""
    for package, version in versions(root).items():
        module = package.replace("-", "_")
        wheels = sorted(dist.glob(f"{module}-*.whl"))
        if len(wheels) != 1:
            yield f"{dist} has {len(wheels)} wheels of {package}: build one, by `make wheels`."
            continue
        with ZipFile(wheels[0]) as wheel:
            names = set(wheel.namelist())
            (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
            built = message_from_string(wheel.read(metadata).decode())["Version"]
            sizes = {info.filename: info.file_size for info in wheel.infolist()}
        if built != version:
            yield f"{wheels[0].name} is of version {built}, and {package} is {version}: build it anew."
        for needed in (f"{module}/py.typed", *(f"{module}/{pattern}" for pattern in WEIGHTS.get(package, ()))):
            if not [name for name in names if Path(name).match(needed)]:
                yield f"{wheels[0].name} lacks {needed}."
        for path in _sources(root / "packages" / package / "src"):
            if sizes.get(path.as_posix()) != (root / "packages" / package / "src" / path).stat().st_size:
                yield f"{wheels[0].name} lacks {path}, or has another: build it anew."


def readme_complaints(root: Path) -> Iterator[str]:
    """A block of a README that does not run, found by the tests that run them."""
    chosen = "README and (runs_from_top or says_why)"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_guides.py", "-k", chosen]
    done = subprocess.run(command, cwd=root, check=False)
    if done.returncode:
        yield "A block of a README does not run: see the test above."


def _sources(folder: Path) -> Iterator[Path]:
    """Files of a source folder, from there, without what tools leave in it."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            yield inside


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def main() -> int:
    """Prints what is not whole; 1 if something is not."""
    parser = argparse.ArgumentParser(prog="python .ci/release.py", description="Checks a release before it is one.")
    parser.add_argument("--tag", default="", help="of the release, such as v0.1.0")
    parser.add_argument("--dist", type=Path, default=Path("dist"), help="folder of the wheels (default: %(default)s)")
    options = parser.parse_args()
    root = Path(__file__).parents[1]
    found = [
        *version_complaints(root, options.tag),
        *changelog_complaints(root, options.tag),
        *metadata_complaints(root),
        *wheel_complaints(root, options.dist),
        *readme_complaints(root),
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
