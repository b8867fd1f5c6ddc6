"""Checks that what is about to be released is whole: python .ci/release.py --tag v0.1.0 [--dist dist]

The tag is the version of all four packages, the changelog has it with its date, wheels and source archives hold the
files of the sources, byte for byte (weights and py.typed among them), and say what pyproject.toml, README and LICENSE
say; dist/ holds nothing else; addresses name an owner, no paper says that it is not on PyPI yet, siblings require each
other's version, and every block of the READMEs runs.
"""

import argparse
import configparser
import re
import subprocess
import sys
import tarfile
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from blocks import read_blocks
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

PACKAGES = ("exvideo-blocks", "exvideo-infer", "exvideo-eval", "exvideo-train")
# Files that a package is of no use without, beside py.typed, which all have.
WEIGHTS = {
    "exvideo-infer": ("embedded/unet/*.safetensors", "embedded/vae/*.safetensors", "embedded/extension.safetensors"),
    "exvideo-eval": ("tiny_world/*.safetensors",),
}
GUIDES = "tests/test_guides.py"
# Files that are read away from the repository, or that say where it is.
TOLD = (
    "*.md", "docs/**/*.md", "packages/**/README.md", "packages/*/pyproject.toml", "CITATION.cff", "mkdocs.yml",
    ".github/**/*.yml",
)  # fmt: skip
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)['\"]")
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
    """Addresses without an owner, and siblings that a package's range leaves out, or does not end before the next."""
    found = versions(root)
    for package in PACKAGES:
        project = _project(root, package)
        urls = project.get("urls", {})
        unowned = [name for name, address in urls.items() if re.search(r"\bOWNER\b", address)]
        if unowned or not urls:
            which = ", ".join(unowned) or "of the project"
            yield f"{package}: the addresses {which} name no owner: see CONTRIBUTING.md."
        extras = [one for names in project.get("optional-dependencies", {}).values() for one in names]
        for text in (*project["dependencies"], *extras):
            try:
                requirement = Requirement(text)
                sibling = Version(found[requirement.name]) if requirement.name in found else None
            except (InvalidRequirement, InvalidVersion) as error:
                yield f"{package} requires {text!r}, which is none: {error}."
                continue
            if sibling is None:
                continue
            later = Version(f"{sibling.major}.{sibling.minor + 1}.0")
            if not requirement.specifier.contains(sibling, prereleases=True):
                yield f"{package} requires {text}, and {requirement.name} is {sibling}: widen it."
            elif requirement.specifier.contains(later):
                yield f"{package} requires {text}, which takes {requirement.name} {later}, too: end it before that."


def told_complaints(root: Path) -> Iterator[str]:
    """Papers that name no owner where the repository is told, or say that nothing is on PyPI yet."""
    for path in sorted({path for pattern in TOLD for path in root.glob(pattern)}):
        text, where = path.read_text(encoding="utf-8"), path.relative_to(root)
        if (found := re.search(r"\bOWNER(/exvideo|\.github\.io)", text)) and path.name != "CONTRIBUTING.md":
            yield f"{where} tells of {found[0]}, which is nobody's: see CONTRIBUTING.md."
        if found := re.search(r"not (?:yet )?on PyPI", text, re.IGNORECASE):
            yield f"{where} says {found[0]!r}, which a release ends: take the sentence out."


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


@dataclass
class Archive:
    """A wheel or a source archive.

    Attributes:
        metadata: of the package, without its README.
        readme: of the package.
        files: the CRC-32 of each file of the sources, by its path.
        beside: files of the archive's own, by name.
    """

    metadata: Message = field(default_factory=Message)
    readme: str = ""
    files: dict[str, int] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)


def _archive_complaints(
    root: Path, dist: Path, kind: str, pattern: str, read: Callable[[Path], Archive]
) -> Iterator[str]:
    """Faults of the archives of a kind."""
    for package, version in versions(root).items():
        module, source = package.replace("-", "_"), root / "packages" / package / "src"
        archives = sorted(dist.glob(f"{module}{pattern}"))
        if len(archives) != 1:
            yield f"{dist} has {len(archives)} {kind} of {package}: build one, by `make wheels`."
            continue
        name = archives[0].name
        try:
            archive = read(archives[0])
        except (BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
            yield f"{name} cannot be read ({error}): build it anew."
            continue
        built, held = archive.metadata["Version"], archive.files
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
        yield from _other_than_said(root, package, name, archive)


def _other_than_said(root: Path, package: str, name: str, archive: Archive) -> Iterator[str]:
    """All that an archive says of its package beside its version, against pyproject.toml, README.md and LICENSE."""
    folder, project, told = root / "packages" / package, _project(root, package), archive.metadata
    said = {
        "Requires-Python": (told["Requires-Python"], project["requires-python"]),
        "License-Expression": (told["License-Expression"], project["license"]),
        "Requires-Dist": (_required(told.get_all("Requires-Dist", [])), _required_of(project)),
        "README": (archive.readme.strip(), (folder / "README.md").read_text(encoding="utf-8").strip()),
        "LICENSE": (archive.beside.get("LICENSE"), (root / "LICENSE").read_bytes()),
    }
    if name.endswith(".whl"):
        parser = configparser.ConfigParser(delimiters="=")
        parser.optionxform = str  # type: ignore[assignment,method-assign] # the case of a command's name is its own
        parser.read_string(archive.beside.get("entry_points.txt", b"").decode())
        commands = dict(parser["console_scripts"]) if parser.has_section("console_scripts") else {}
        said["commands"] = (commands, project.get("scripts", {}))
    else:
        said["pyproject.toml"] = (archive.beside.get("pyproject.toml"), (folder / "pyproject.toml").read_bytes())
    for what, (has, should) in said.items():
        if has != should:
            yield f"{name} has another {what} than {package}, or none: build it anew."


def _required(texts: list[str]) -> set[tuple[str, str, str]]:
    """Name, versions and extra of each requirement of an archive's metadata."""
    found = set()
    for text in texts:
        requirement = Requirement(text)
        extra = _EXTRA.search(str(requirement.marker or ""))
        found.add((requirement.name, str(requirement.specifier), extra[1] if extra else ""))
    return found


def _required_of(project: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """The same of pyproject.toml."""
    groups = {"": project["dependencies"], **project.get("optional-dependencies", {})}
    asked = ((extra, Requirement(text)) for extra, texts in groups.items() for text in texts)
    return {(one.name, str(one.specifier), extra) for extra, one in asked}


def _project(root: Path, package: str) -> dict[str, Any]:
    path = root / "packages" / package / "pyproject.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return found


def _read_metadata(content: bytes) -> tuple[Message, str]:
    headers, _, readme = content.partition(b"\n\n")
    return message_from_bytes(headers), readme.decode()


def _read_wheel(path: Path) -> Archive:
    with ZipFile(path) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        info = metadata.removesuffix("METADATA")
        held = {one.filename: one.CRC for one in wheel.infolist() if not one.filename.startswith(info)}
        names = {"LICENSE": f"{info}licenses/LICENSE", "entry_points.txt": f"{info}entry_points.txt"}
        beside = {name: wheel.read(where) for name, where in names.items() if where in wheel.namelist()}
        return Archive(*_read_metadata(wheel.read(metadata)), held, beside)


def _read_sdist(path: Path) -> Archive:
    found = Archive()
    with tarfile.open(path) as archive:
        for member in archive:
            _, _, name = member.name.partition("/")
            file = archive.extractfile(member)
            if file is not None and name == "PKG-INFO":
                found.metadata, found.readme = _read_metadata(file.read())
            elif file is not None and name.startswith("src/"):
                found.files[name.removeprefix("src/")] = zlib.crc32(file.read())
            elif file is not None and name in ("LICENSE", "pyproject.toml"):
                found.beside[name] = file.read()
    return found


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
        *told_complaints(root),
        *wheel_complaints(root, options.dist),
        *sdist_complaints(root, options.dist),
        *dist_complaints(root, options.dist),
        *readme_complaints(root),
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
