"""Checks that what is about to be released is whole: python .ci/release.py --tag v0.1.0 [--dist dist]

The tag is the version of all four packages, the changelog has it with its date, wheels and source archives hold the
files of the sources, byte for byte (weights and py.typed among them), and dist/ nothing else; addresses name an owner,
and every block of the READMEs runs.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tomllib
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from email import message_from_string
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from blocks import read_blocks

PACKAGES = ("exvideo-blocks", "exvideo-infer", "exvideo-eval", "exvideo-train")
# Files that a package is of no use without, beside py.typed, which all have.
WEIGHTS = {
    "exvideo-infer": ("embedded/unet/*.safetensors", "embedded/vae/*.safetensors", "embedded/extension.safetensors"),
    "exvideo-eval": ("tiny_world/*.safetensors",),
}
GUIDES = "tests/test_guides.py"
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
    heading = rf"^## \[?{re.escape(version)}\]? - (\d{{4}}-\d\d-\d\d)\n(.*?)(?=^## |\Z)"
    found = re.search(heading, text, re.MULTILINE | re.DOTALL)
    if not found or not _is_date(found[1]):
        yield f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`: write it, with the date of the release."
    elif not re.search(r"^- \S", found[2], re.MULTILINE):
        yield f"The section {version} of CHANGELOG.md names no change: write what is new to those who use it."


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
    """Wheels that are not there, of another version, or with other files than the sources."""
    yield from _archive_complaints(root, dist, "wheels", "-*.whl", _read_wheel)


def sdist_complaints(root: Path, dist: Path) -> Iterator[str]:
    """The same of source archives, which are published, too."""
    yield from _archive_complaints(root, dist, "source archives", "-*.tar.gz", _read_sdist)


def dist_complaints(root: Path, dist: Path) -> Iterator[str]:
    """Files beside wheels and source archives: whatever lies in the folder is published."""
    modules = {package.replace("-", "_") for package in PACKAGES}
    for path in sorted(dist.iterdir()) if dist.is_dir() else ():
        if path.name.split("-")[0] not in modules or not path.name.endswith((".whl", ".tar.gz")):
            yield f"{dist} holds {path.name}, which is of no package of ours, and all of it is published: remove it."


def _archive_complaints(
    root: Path, dist: Path, kind: str, pattern: str, read: Callable[[Path], tuple[str, dict[str, int]]]
) -> Iterator[str]:
    """Faults of the archives of a kind. `read` gives the metadata, and each file's CRC-32 by its path."""
    for package, version in versions(root).items():
        module, source = package.replace("-", "_"), root / "packages" / package / "src"
        archives = sorted(dist.glob(f"{module}{pattern}"))
        if len(archives) != 1:
            yield f"{dist} has {len(archives)} {kind} of {package}: build one, by `make wheels`."
            continue
        name = archives[0].name
        try:
            metadata, held = read(archives[0])
        except (BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
            yield f"{name} cannot be read ({error}): build it anew."
            continue
        built = message_from_string(metadata)["Version"]
        if built != version:
            yield f"{name} is of version {built}, and {package} is {version}: build it anew."
        for needed in (f"{module}/py.typed", *(f"{module}/{one}" for one in WEIGHTS.get(package, ()))):
            if not [path for path in held if Path(path).match(needed)]:
                yield f"{name} lacks {needed}."
        wanted = {path.as_posix(): zlib.crc32((source / path).read_bytes()) for path in _sources(source)}
        for path in sorted(wanted.keys() | held.keys()):
            if path not in held:
                yield f"{name} lacks {path}: build it anew."
            elif path not in wanted:
                yield f"{name} has {path}, which the sources have not: build it anew."
            elif held[path] != wanted[path]:
                yield f"{name} has another {path} than the sources: build it anew."


def _read_wheel(path: Path) -> tuple[str, dict[str, int]]:
    """The metadata of a wheel, and the CRC-32 of each of its other files."""
    with ZipFile(path) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        info = metadata.removesuffix("METADATA")
        held = {one.filename: one.CRC for one in wheel.infolist() if not one.filename.startswith(info)}
        return wheel.read(metadata).decode(), held


def _read_sdist(path: Path) -> tuple[str, dict[str, int]]:
    """The metadata of a source archive, and the CRC-32 of each file below its src/."""
    metadata, held = "", {}
    with tarfile.open(path) as archive:
        for member in archive:
            _, _, name = member.name.partition("/")
            file = archive.extractfile(member)
            if file is not None and name == "PKG-INFO":
                metadata = file.read().decode()
            elif file is not None and name.startswith("src/"):
                held[name.removeprefix("src/")] = zlib.crc32(file.read())
    return metadata, held


def readme_complaints(root: Path) -> Iterator[str]:
    """A block of a README that does not run, found by the tests that run them: of the guides, and those it names."""
    readmes = [path for pattern in ("README.md", "*/README.md", "packages/**/README.md") for path in root.glob(pattern)]
    named = {block.value for readme in readmes for block in read_blocks(readme) if block.kind == "run by"} - {GUIDES}
    chosen = "README and (runs_from_top or says_why or is_a_configuration)"
    for tests in ([GUIDES, "-k", chosen], sorted(named)):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        if tests and subprocess.run(command, cwd=root, check=False).returncode:
            yield "A block of a README does not run: see the test above."


def _sources(folder: Path) -> Iterator[Path]:
    """Files of a source folder, from there, without what tools leave in it."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            yield inside


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def main() -> int:
    """Prints what is not whole; 1 if something is not."""
    parser = argparse.ArgumentParser(prog="python .ci/release.py", description="Checks a release before it is one.")
    parser.add_argument("--tag", default="", help="of the release, such as v0.1.0")
    parser.add_argument(
        "--dist", type=Path, default=Path("dist"), help="folder of wheels and source archives (default: %(default)s)"
    )
    options = parser.parse_args()
    root = Path(__file__).parents[1]
    found = [
        *version_complaints(root, options.tag),
        *changelog_complaints(root, options.tag),
        *metadata_complaints(root),
        *wheel_complaints(root, options.dist),
        *sdist_complaints(root, options.dist),
        *dist_complaints(root, options.dist),
        *readme_complaints(root),
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
