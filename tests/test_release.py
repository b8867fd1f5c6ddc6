"""`make release-check` passes a release that is whole, and fails on each thing that can be wrong with one."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
import release

ROOT = Path(__file__).parents[1]
TAG = "v1.2.0"
FILES = {
    "exvideo-blocks": (),
    "exvideo-infer": ("embedded/unet/a.safetensors", "embedded/vae/b.safetensors", "embedded/extension.safetensors"),
    "exvideo-eval": ("tiny_world/judge.safetensors",),
    "exvideo-train": (),
}
PROJECT = """[project]
dependencies = ["exvideo-blocks>=1.2,<1.3", "torch>=2"]
license = "MIT"
optional-dependencies = { app = ["gradio>=6"] }
requires-python = ">=3.11"
scripts = { exvideo-x = "x.cli:main" }
urls = { Repository = "https://github.com/somebody/exvideo" }
"""
README = "# ExVideo\n\n```python\nprint(1)\n```\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of four small packages, whole, and its wheels and source archives in dist/."""
    write(tmp_path / "CITATION.cff", "version: 1.2.0\n")
    write(tmp_path / "CHANGELOG.md", "# Changelog\n\n## 1.2.0 - 2026-11-30\n\n- It works.\n\n## 1.1.0 - 2026-10-01\n")
    for package, weights in FILES.items():
        module, folder = package.replace("-", "_"), tmp_path / "packages" / package
        write(folder / "pyproject.toml", PROJECT)
        write(folder / "README.md", "# Text of Fréchet\n")
        write(tmp_path / "LICENSE", "Do as you like.\n")
        write(folder / "src" / module / "__init__.py", '__version__ = "1.2.0"\n')
        write(folder / "src" / module / "py.typed", "")
        for name in weights:
            write(folder / "src" / module / name, "numbers")
        build(folder, tmp_path / "dist")
    return tmp_path


METADATA = """Metadata-Version: 2.4
Version: 1.2.0
License-Expression: MIT
Requires-Python: >=3.11
Requires-Dist: exvideo-blocks<1.3,>=1.2
Requires-Dist: torch>=2
Requires-Dist: gradio>=6; extra == 'app'

# Text of Fréchet
"""
COMMANDS = "[console_scripts]\nexvideo-x = x.cli:main\n"


def build(
    folder: Path, dist: Path, without: str = "", more: str = "", metadata: str = METADATA, commands: str = COMMANDS,
    terms: str = "Do as you like.\n",
) -> None:  # fmt: skip
    """A wheel and a source archive of a package, without one of its files, or with one that it has not."""
    dist.mkdir(exist_ok=True)
    module, source = folder.name.replace("-", "_"), folder / "src"
    files = {file.relative_to(source).as_posix(): file.read_bytes() for file in source.rglob("*") if file.is_file()}
    files = {name: data for name, data in files.items() if not (without and Path(name).match(without))}
    if more:
        files[f"{module}/{more}"] = b"of a branch"
    with ZipFile(dist / f"{module}-1.2.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{module}-1.2.0.dist-info/METADATA", metadata)
        wheel.writestr(f"{module}-1.2.0.dist-info/entry_points.txt", commands)
        wheel.writestr(f"{module}-1.2.0.dist-info/licenses/LICENSE", terms)
    held = {f"src/{name}": data for name, data in files.items()}
    held |= {"PKG-INFO": metadata.encode(), "README.md": b"# Text", ".gitignore": b"", "LICENSE": terms.encode()}
    held["pyproject.toml"] = (folder / "pyproject.toml").read_bytes()
    with tarfile.open(dist / f"{module}-1.2.0.tar.gz", "w:gz") as archive:
        for name, data in held.items():
            info = tarfile.TarInfo(f"{module}-1.2.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def complaints(root: Path, tag: str = TAG) -> list[str]:
    return [
        *release.version_complaints(root, tag),
        *release.changelog_complaints(root, tag),
        *release.metadata_complaints(root),
        *release.told_complaints(root),
        *release.wheel_complaints(root, root / "dist"),
        *release.sdist_complaints(root, root / "dist"),
        *release.dist_complaints(root, root / "dist"),
    ]


def test_a_whole_release_passes(root: Path) -> None:
    assert complaints(root) == []


def test_a_tag_that_is_missing_is_told_once(root: Path) -> None:
    assert complaints(root, "") == ["HEAD has no tag: set one, or name it, TAG=...; the versions are v1.2.0."]


@pytest.mark.parametrize("tag", ["v1.2.1", "1.2.0"])
def test_another_tag_is_found(root: Path, tag: str) -> None:
    found = list(release.version_complaints(root, tag))
    assert len(found) == 5  # four packages, and the citation
    assert all("1.2.0" in one for one in found)


@pytest.mark.parametrize("package", release.PACKAGES)
def test_a_package_of_another_version_is_found(root: Path, package: str) -> None:
    module = package.replace("-", "_")
    change(root / "packages" / package / "src" / module / "__init__.py", "1.2.0", "1.3.0")
    (found,) = release.version_complaints(root, TAG)
    assert f"the version of {package} is 1.3.0" in found
    assert any("is of version 1.2.0" in one for one in release.wheel_complaints(root, root / "dist"))
    if package == "exvideo-blocks":  # which all require below 1.3
        assert len(list(release.metadata_complaints(root))) == 4


HEADINGS = ["## 1.2.0 (unreleased)", "## 1.2.0", "## 1.2.1 - 2026-11-30", "## Unreleased", "## 1.2.0 - 2026-11-31"]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_changelog_without_the_version_is_found(root: Path, heading: str) -> None:
    change(root / "CHANGELOG.md", "## 1.2.0 - 2026-11-30", heading)
    (found,) = complaints(root)
    assert found.startswith("CHANGELOG.md has no section `## 1.2.0 - YYYY-MM-DD`")


def test_a_section_without_a_line_is_found(root: Path) -> None:
    change(root / "CHANGELOG.md", "- It works.", "### exvideo-blocks")
    (found,) = complaints(root)
    assert found == "The section 1.2.0 of CHANGELOG.md names no change: write what is new to those who use it."


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("exvideo-infer", "embedded/unet/*.safetensors"),
        ("exvideo-infer", "embedded/extension.safetensors"),
        ("exvideo-eval", "tiny_world/*.safetensors"),
        *((package, "py.typed") for package in release.PACKAGES),
    ],
)
def test_a_wheel_that_lacks_a_file_is_found(root: Path, package: str, file: str) -> None:
    build(root / "packages" / package, root / "dist", without=file)
    for check in (release.wheel_complaints, release.sdist_complaints):
        found = list(check(root, root / "dist"))
        assert any(one.endswith(f"lacks {package.replace('-', '_')}/{file}.") for one in found)
        assert all(package.replace("-", "_") in one for one in found)


def test_a_wheel_that_lacks_its_weights_is_found_where_the_sources_lack_them_too(root: Path) -> None:
    shutil.rmtree(root / "packages" / "exvideo-infer" / "src" / "exvideo_infer" / "embedded" / "vae")
    build(root / "packages" / "exvideo-infer", root / "dist")
    (found,) = release.wheel_complaints(root, root / "dist")
    assert found.endswith("lacks exvideo_infer/embedded/vae/*.safetensors.")


def test_a_wheel_that_was_built_before_the_last_change_is_found(root: Path) -> None:
    write(root / "packages" / "exvideo-train" / "src" / "exvideo_train" / "later.py", "LATER = 1\n")
    (found,) = release.wheel_complaints(root, root / "dist")
    assert "lacks exvideo_train/later.py" in found


def test_weights_of_a_training_before_are_found_by_their_bytes_not_their_size(root: Path) -> None:
    weights = root / "packages" / "exvideo-infer" / "src" / "exvideo_infer" / "embedded" / "extension.safetensors"
    write(weights, "NUMBERS")  # as many bytes
    wheel, archive = complaints(root)
    assert wheel == (
        "exvideo_infer-1.2.0-py3-none-any.whl has another exvideo_infer/embedded/extension.safetensors than the "
        "sources: build it anew."
    )
    assert archive.startswith("exvideo_infer-1.2.0.tar.gz has another exvideo_infer/embedded/extension.safetensors")


def test_a_file_that_the_sources_have_not_is_found(root: Path) -> None:
    build(root / "packages" / "exvideo-blocks", root / "dist", more="attic.py")
    found = complaints(root)
    assert len(found) == 2  # in the wheel, in the source archive
    assert all("has exvideo_blocks/attic.py, which the sources have not" in one for one in found)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("ending", ["-py3-none-any.whl", ".tar.gz"])
def test_no_archive_and_two_are_found(root: Path, count: int, ending: str) -> None:
    archive = root / "dist" / f"exvideo_eval-1.2.0{ending}"
    shutil.copy(archive, root / "dist" / f"exvideo_eval-1.1.0{ending}") if count else archive.unlink()
    (found,) = complaints(root)
    kind = "wheels" if ending.endswith("whl") else "source archives"
    assert f"has {count} {kind} of exvideo-eval" in found


@pytest.mark.parametrize("name", ["exvideo_core-1.2.0-py3-none-any.whl", "notes.txt"])
def test_what_would_be_published_with_them_is_found(root: Path, name: str) -> None:
    write(root / "dist" / name, "")
    (found,) = complaints(root)
    assert f"dist holds {name}, which is of no package of ours, and all of it is published" in found


@pytest.mark.parametrize("name", ["exvideo_eval-1.2.0-py3-none-any.whl", "exvideo_eval-1.2.0.tar.gz"])
def test_an_archive_that_cannot_be_read_is_found(root: Path, name: str) -> None:
    (root / "dist" / name).write_bytes((root / "dist" / name).read_bytes()[:60])
    (found,) = complaints(root)
    assert found.startswith(f"{name} cannot be read")


def test_addresses_without_an_owner_are_found(root: Path) -> None:
    change(root / "packages" / "exvideo-eval" / "pyproject.toml", "somebody", "OWNER")
    (found,) = release.metadata_complaints(root)
    assert found.startswith("exvideo-eval: the addresses Repository name no owner")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("License-Expression: MIT", "License-Expression: Apache-2.0", "License-Expression"),
        ("Requires-Python: >=3.11", "Requires-Python: >=3.13", "Requires-Python"),
        ("Requires-Dist: torch>=2\n", "", "Requires-Dist"),
        ("gradio>=6", "gradio>=5", "Requires-Dist"),
        ("extra == 'app'", "extra == 'page'", "Requires-Dist"),
        ("# Text", "# x", "README"),
    ],
)
def test_archives_that_say_something_else_than_the_package_are_found(root: Path, old: str, new: str, what: str) -> None:
    assert old in METADATA
    build(root / "packages" / "exvideo-train", root / "dist", metadata=METADATA.replace(old, new))
    found = complaints(root)
    assert len(found) == 2  # the wheel, the source archive
    assert all(f"has another {what} than exvideo-train, or none" in one for one in found)


def test_archives_without_their_licence_or_their_commands_are_found(root: Path) -> None:
    build(root / "packages" / "exvideo-train", root / "dist", terms="Ask first.\n")
    assert [one.split(" has another ")[1][:8] for one in complaints(root)] == ["LICENSE ", "LICENSE "]
    build(root / "packages" / "exvideo-train", root / "dist", commands="")
    (found,) = complaints(root)
    assert "has another commands than exvideo-train" in found


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("exvideo-blocks==0.0.9", "widen it"),
        ("exvideo-blocks>=1.3", "widen it"),
        ("exvideo-blocks>=1.1,<1.2", "widen it"),
        ("exvideo-blocks~=0.2", "widen it"),
        ("exvideo-blocks>=1.3,<1.4; python_version>='3.11'", "widen it"),
        ("exvideo-blocks", "end it before that"),
        ("exvideo-blocks>=1.2", "end it before that"),
        ("exvideo-blocks[triton]>=1.2,<2", "end it before that"),
        ("exvideo-blocks>=1.2 <1.3", "which is none"),
    ],
)
def test_a_range_of_a_sibling_that_is_wrong_in_any_way_is_found(root: Path, written: str, told: str) -> None:
    change(root / "packages" / "exvideo-train" / "pyproject.toml", "exvideo-blocks>=1.2,<1.3", written)
    (found,) = release.metadata_complaints(root)
    assert found.startswith("exvideo-train requires ")
    assert told in found


@pytest.mark.parametrize("file", ["README.md", "docs/start.md", "packages/exvideo-eval/README.md"])
def test_papers_that_a_release_makes_wrong_are_found(root: Path, file: str) -> None:
    write(root / file, "Version 1.2.0 is not on PyPI yet. See https://github.com/OWNER/exvideo.\n")
    owner, yet = release.told_complaints(root)
    assert owner == f"{file} tells of OWNER/exvideo, which is nobody's: see CONTRIBUTING.md."
    assert yet == f"{file} says 'not on PyPI', which a release ends: take the sentence out."


OTHER = "\n<!-- run by: tests/test_other.py -->\n```python\nprint(2)\n```\n"
BROKEN: dict[str, Callable[[str], str]] = {
    "fails": lambda text: text.replace("print(1)", "print(nothing)"),
    "says no reason": lambda text: text + "\n<!-- not run: later -->\n```bash\ntrue\n```\n",
    "fails in the test that it names": lambda text: text.replace("print(2)", "print(nothing)"),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", BROKEN)
def test_a_readme_with_a_block_that_does_not_run_is_found(tmp_path: Path, kind: str) -> None:
    for name in ("tests/test_guides.py", ".ci/blocks.py", ".ci/links.py", ".ci/checked.py"):
        write(tmp_path / name, (ROOT / name).read_text())
    write(tmp_path / "pyproject.toml", '[tool.pytest.ini_options]\npythonpath = [".ci"]\nmarkers = ["long: minutes"]\n')
    write(tmp_path / "tests/test_other.py", "def test_it():\n    assert 'print(2)' in open('README.md').read()\n")
    write(tmp_path / "README.md", README + OTHER)
    assert list(release.readme_complaints(tmp_path)) == []
    write(tmp_path / "README.md", BROKEN[kind](README + OTHER))
    (found,) = release.readme_complaints(tmp_path)
    assert found.startswith("A block of a README does not run")


def test_this_repository_is_of_one_version() -> None:
    (version,) = set(release.versions(ROOT).values())
    assert list(release.version_complaints(ROOT, f"v{version}")) == []
    assert [one for one in release.metadata_complaints(ROOT) if "name no owner" not in one] == []
