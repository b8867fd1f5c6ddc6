"""`make release-check` passes a release that is whole, and fails on each thing that can be wrong with one."""

import shutil
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
    """A repository of four small packages, whole, and its wheels in dist/."""
    write(tmp_path / "CITATION.cff", "version: 1.2.0\n")
    write(tmp_path / "CHANGELOG.md", "# Changelog\n\n## 1.2.0 - 2026-11-30\n\n- It works.\n\n## 1.1.0 - 2026-10-01\n")
    for package, weights in FILES.items():
        module, folder = package.replace("-", "_"), tmp_path / "packages" / package
        write(folder / "pyproject.toml", PROJECT)
        write(folder / "src" / module / "__init__.py", '__version__ = "1.2.0"\n')
        write(folder / "src" / module / "py.typed", "")
        for name in weights:
            write(folder / "src" / module / name, "numbers")
        build(folder, tmp_path / "dist")
    return tmp_path


def build(folder: Path, dist: Path, without: str = "") -> Path:
    """A wheel of a package's sources, without one of its files."""
    dist.mkdir(exist_ok=True)
    module = folder.name.replace("-", "_")
    path = dist / f"{module}-1.2.0-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for file in sorted((folder / "src").rglob("*")):
            if file.is_file() and not (without and file.match(without)):
                wheel.write(file, file.relative_to(folder / "src").as_posix())
        wheel.writestr(f"{module}-1.2.0.dist-info/METADATA", "Metadata-Version: 2.4\nVersion: 1.2.0\n")
    return path


def complaints(root: Path, tag: str = TAG) -> list[str]:
    return [
        *release.version_complaints(root, tag),
        *release.changelog_complaints(root, tag),
        *release.metadata_complaints(root),
        *release.wheel_complaints(root, root / "dist"),
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


@pytest.mark.parametrize("heading", ["## 1.2.0 (unreleased)", "## 1.2.0", "## 1.2.1 - 2026-11-30", "## Unreleased"])
def test_a_changelog_without_the_version_is_found(root: Path, heading: str) -> None:
    change(root / "CHANGELOG.md", "## 1.2.0 - 2026-11-30", heading)
    (found,) = complaints(root)
    assert found.startswith("CHANGELOG.md has no section `## 1.2.0 - YYYY-MM-DD`")


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
    found = list(release.wheel_complaints(root, root / "dist"))
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


@pytest.mark.parametrize("count", [0, 2])
def test_no_wheel_and_two_are_found(root: Path, count: int) -> None:
    wheel = root / "dist" / "exvideo_eval-1.2.0-py3-none-any.whl"
    shutil.copy(wheel, root / "dist" / "exvideo_eval-1.1.0-py3-none-any.whl") if count else wheel.unlink()
    (found,) = release.wheel_complaints(root, root / "dist")
    assert f"has {count} wheels of exvideo-eval" in found


def test_addresses_without_an_owner_are_found(root: Path) -> None:
    change(root / "packages" / "exvideo-eval" / "pyproject.toml", "somebody", "OWNER")
    (found,) = complaints(root)
    assert found.startswith("exvideo-eval: the addresses Repository name no owner")


BROKEN: dict[str, Callable[[str], str]] = {
    "fails": lambda text: text.replace("print(1)", "print(nothing)"),
    "says no reason": lambda text: text + "\n<!-- not run: later -->\n```bash\ntrue\n```\n",
}


@pytest.mark.long
@pytest.mark.parametrize("kind", BROKEN)
def test_a_readme_with_a_block_that_does_not_run_is_found(tmp_path: Path, kind: str) -> None:
    for name in ("tests/test_guides.py", ".ci/blocks.py", ".ci/links.py", ".ci/checked.py"):
        write(tmp_path / name, (ROOT / name).read_text())
    write(tmp_path / "pyproject.toml", '[tool.pytest.ini_options]\npythonpath = [".ci"]\nmarkers = ["long: minutes"]\n')
    write(tmp_path / "README.md", README)
    assert list(release.readme_complaints(tmp_path)) == []
    write(tmp_path / "README.md", BROKEN[kind](README))
    (found,) = release.readme_complaints(tmp_path)
    assert found.startswith("A block of a README does not run")


def test_this_repository_is_of_one_version() -> None:
    (version,) = set(release.versions(ROOT).values())
    assert list(release.version_complaints(ROOT, f"v{version}")) == []
    assert [one for one in release.metadata_complaints(ROOT) if "widen it" in one] == []
