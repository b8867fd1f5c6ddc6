"""Every paper's blocks are run from top to bottom in one folder, as a reader would, but for those that say why not.

`pip install` and `make` are checked only, against our packages' metadata and the Makefile: what they would install is
installed by tests/test_wheels.py, and what they would run is run elsewhere.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from blocks import Block, complaints, read_blocks, unread
from exvideo_eval import Metric, Result
from exvideo_train import TrainConfig
from links import paper_links
from PIL import Image

ROOT = Path(__file__).parents[1]
PAPERS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "packages/**/README.md", "demo/*.md", "benchmarks/*.md", "tiny_world/*.md")
    for path in ROOT.glob(pattern)
)
RUN = [paper for paper in PAPERS if any(block.is_run for block in read_blocks(paper))]
FAST = ("docs/method.md", "docs/kernels.md", "packages/exvideo-blocks/README.md")
# Blocks that nothing runs. One more wants a reason that tests cannot give it what it needs.
NOT_RUN = {
    "README.md": 5, "benchmarks/README.md": 2, "demo/README.md": 2, "docs/animatediff.md": 1,
    "docs/benchmarks-in-your-ci.md": 1, "docs/big-buck-bunny.md": 4, "docs/evidence.md": 1, "docs/kernels.md": 1,
    "docs/long-clips.md": 5, "docs/post-tune-your-clips.md": 8, "docs/tiny-wan.md": 1,
    "docs/which-measure.md": 1, "packages/exvideo-blocks/README.md": 1,
    "packages/exvideo-eval/README.md": 3, "packages/exvideo-infer/README.md": 9,
}  # fmt: skip
MODULES = {
    "exvideo-generate": "exvideo_infer", "exvideo-train": "exvideo_train", "exvideo-eval": "exvideo_eval",
    "exvideo-prepare": "exvideo_train.prepare", "torchrun": "torch.distributed.run",
}  # fmt: skip


def name_of(paper: Path) -> str:
    return paper.relative_to(ROOT).as_posix()


ZOOM = "mandelbrot=size=96x64:rate=8:start_scale={}"
CELLS = "cellauto=size=96x64:rate=8:rule=90"


def footage(folder: Path, count: int, frames: int, pattern: str = ZOOM) -> None:
    """Clips of FFmpeg's own making, each another, in three formats."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    folder.mkdir(parents=True)
    for number, ending in zip(range(count), cycle(("mp4", "webm", "mkv")), strict=False):
        source = pattern.format(0.5 / 2**number if "scale" in pattern else number)
        command = [ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames)]
        subprocess.run([*command, str(folder / f"clip{number + 1:02}.{ending}")], check=True)


SHORT_RUN = """
base: embedded
output: out/x
extension: {num_frames: 16, level: position}
data: {videos: clips, size: [64, 64]}
optimizer: {steps: 2, batch_size: 1}
engine: {precision: fp32}
validation: {videos: held-out}
"""


def short_run(folder: Path) -> None:
    """A configuration x.yaml of two steps, and its clips."""
    footage(folder / "clips", 2, 20)
    footage(folder / "held-out", 1, 16, CELLS)
    (folder / "x.yaml").write_text(SHORT_RUN)


def ten_clips(folder: Path) -> None:
    footage(folder / "clips", 8, 60)
    footage(folder / "held-out", 2, 60, f"{CELLS}:random_seed={{}}")
    for number in (1, 2):
        (folder / "held-out" / f"clip{number:02}.txt").write_text("a red circle")


def three_tools(folder: Path) -> None:
    footage(folder / "real", 6, 32)
    footage(folder / "generated", 6, 32, f"{ZOOM}:maxiter=200,gblur=sigma=6")  # which got worse: it blurs
    footage(folder / "before", 6, 32, f"{ZOOM}:maxiter=200")


def four_sets(folder: Path) -> None:
    for name, frames in (("real", 40), ("with_extension", 40), ("without_extension", 40), ("base", 16)):
        footage(folder / "clips" / name, 6, frames, f"{ZOOM}:maxiter={50 * (1 + len(name))}")
    counted = Result.measured_here(
        kind="kernel", name="rows", protocol={"rows": 3}, metrics=(Metric("rows", 3, "rows", "lower"),)
    )
    for name in ("before", "after"):
        counted.save(folder / f"{name}.json")


def film_and_clips(folder: Path) -> None:
    footage(folder / "phone-clips", 2, 40)
    footage(folder / "film", 1, 60)
    (folder / "film" / "clip01.mp4").rename(folder / "film.mp4")
    short_run(folder)
    many = SHORT_RUN.replace("batch_size: 1", "batch_size: 8, micro_batch_size: 1")  # as many as there are processes
    (folder / "x.yaml").write_text(many)


def first_frame(folder: Path) -> None:
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(folder / "first.png")


def long_footage(folder: Path) -> None:
    footage(folder / "footage", 2, 150)
    short_run(folder / "own")
    for name in ("x.yaml", "held-out"):
        (folder / "own" / name).rename(folder / name)
    text = SHORT_RUN.replace("videos: clips", "videos: own/clips")
    (folder / "x.yaml").write_text(text)


SETUPS: dict[str, Callable[[Path], None]] = {
    "docs/first-post-tune.md": ten_clips,
    "docs/judge-clips.md": three_tools,
    "docs/post-tune-your-clips.md": long_footage,
    "packages/exvideo-eval/README.md": four_sets,
    "packages/exvideo-train/README.md": film_and_clips,
    "packages/exvideo-infer/README.md": first_frame,
}


@pytest.fixture(scope="session")
def commands_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs for the path: ours on this tree's sources, python, and pip and make, which only check."""
    folder = tmp_path_factory.mktemp("bin")
    checks = f'exec "{sys.executable}" "{ROOT}/.ci/checked.py"'
    lines = {name: f'exec "{sys.executable}" -m {module} "$@"' for name, module in MODULES.items()}
    lines |= {"python": f'exec "{sys.executable}" "$@"', "pip": f'{checks} pip "$@"', "make": f'{checks} make "$@"'}
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def run_paper(paper: Path, folder: Path, programs: Path) -> int:
    """Runs the blocks of a paper in a folder; how many they were."""
    blocks = read_blocks(paper)
    for block in blocks:
        if block.kind == "file":
            (folder / block.value).write_text(block.code, encoding="utf-8")
    for block in filter(lambda block: block.is_run, blocks):
        run_block(block, folder, programs)
    return sum(block.is_run for block in blocks)


def run_block(block: Block, folder: Path, programs: Path) -> None:
    command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, block.code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    wanted = int(block.value) if block.kind == "exit" else 0
    assert done.returncode == wanted, f"{block}\n{block.code}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize(
    "paper",
    [pytest.param(paper, marks=() if name_of(paper) in FAST else pytest.mark.long, id=name_of(paper)) for paper in RUN],
)
def test_a_paper_runs_from_top_to_bottom(paper: Path, tmp_path: Path, commands_of_ours: Path) -> None:
    SETUPS.get(name_of(paper), lambda folder: None)(tmp_path)
    assert run_paper(paper, tmp_path, commands_of_ours) > 0


@pytest.mark.parametrize("paper", PAPERS, ids=name_of)
def test_what_is_not_run_says_why(paper: Path) -> None:
    assert list(complaints(paper, ROOT)) == []


def test_the_blocks_that_nothing_runs_are_counted() -> None:
    found = Counter(name_of(paper) for paper in PAPERS for block in read_blocks(paper) if block.kind == "not run")
    assert dict(found) == NOT_RUN


def yaml_here(paper: Path) -> list[Block]:
    """The blocks of a paper that the next test reads."""
    return [one for one in read_blocks(paper) if one.language == "yaml" and one.value == "tests/test_guides.py"]


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if yaml_here(paper)], ids=name_of)
def test_yaml_of_a_paper_is_a_configuration(paper: Path) -> None:
    blocks = yaml_here(paper)
    assert name_of(paper) == "packages/exvideo-train/README.md"
    assert len(blocks) == 2
    settings = {key: value for block in blocks for key, value in yaml.safe_load(block.code).items()}
    config = TrainConfig.model_validate(settings | {"validation": {"videos": "held-out"}})
    assert (config.extension.num_frames, config.samples.every if config.samples else None) == (128, 500)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nraise SystemExit(1)\n```\n", None),
        ("```bash\nfalse | true\n```\n", None),
        ("```bash\nmake nothing\n```\n", None),
        ("```bash\npip install exvideo-nothing\n```\n", None),
        ("```bash\npip install 'exvideo-infer[nothing]'\n```\n", None),
        ("```sh\ntrue\n```\n", "is unknown"),
        ("```yaml\na: 1\n```\n", "no test reads this yaml"),
        ("<!-- not run: no time -->\n```bash\ntrue\n```\n", "is no reason"),
        ("<!-- not run: a hub -->\n```bash\nexvideo-generate --promt x\n```\n", "exvideo-generate does not take this"),
        ("<!-- not run: a piece -->\n```python\nfrom exvideo_infer import nothing\n```\n", "has no nothing"),
        ("<!-- not run: a piece -->\n```python\nx = = 1\n```\n", "is no Python"),
        ("<!-- run by: tests/test_nothing.py -->\n```bash\ntrue\n```\n", "is no file"),
        ("<!-- run by: tests/test_site.py -->\n```bash\ntrue\n```\n", "does not name"),
        ("<!-- run by: tests/test_guides.py -->\n```bash\npython -m demo.galery\n```\n", "there is no module"),
        ("Text\n\n    exvideo-generate\n", "is indented"),
        ("- one\n\n   ```bash\n   true\n   ```\n", "is no fence that is read here"),
        ("~~~bash\ntrue\n~~~\n", "is no fence that is read here"),
    ],
)
def test_a_block_that_does_not_run_is_found(
    tmp_path: Path, commands_of_ours: Path, text: str, complaint: str | None
) -> None:
    paper = tmp_path / "broken-paper.md"
    paper.write_text(text)
    found = list(complaints(paper, ROOT))
    if complaint is None:
        assert found == []
        with pytest.raises(AssertionError, match=r"broken-paper\.md:1"):
            run_paper(paper, tmp_path, commands_of_ours)
    else:
        assert len(found) == 1
        assert complaint in found[0]


@pytest.mark.parametrize(
    ("language", "code", "complaint"),
    [
        ("bash", "python -m benchmarks.quality --no-such-option", "benchmarks.quality does not take this"),
        ("bash", "python -m benchmarks.nothing", "there is no module benchmarks.nothing to run"),
        ("bash", "python -m demo.galery", "there is no module demo.galery to run"),
        ("bash", "python -m demo.table out/demo", None),
        ("bash", "make nothing-at-all", "has no target nothing-at-all"),
        ("bash", "make demo VIDEOS=films", None),
        ("bash", "torchrun --nproc-per-node 4 -m exvideo_train --confg x.yaml", "exvideo_train does not take this"),
        ("bash", "deepspeed --num_gpus=8 --module exvideo_train --config x.yaml", None),
        ("bash", "CUDA_VISIBLE_DEVICES=0 exvideo-generate --promt x", "exvideo-generate does not take this"),
        ("bash", "exvideo-generate ... --steps 9", None),
        ("bash", "pip install 'exvideo-infer[nope]'", "has no extra nope"),
        ("yaml", "a: [1", "this is no yaml"),
        ("json", '{"a": 1}', None),
    ],
)
def test_what_a_block_that_is_not_run_says_is_checked(language: str, code: str, complaint: str | None) -> None:
    found = list(unread(Block(Path("paper.md"), 1, language, code)))
    assert (complaint is None) == (found == [])
    assert complaint is None or complaint in found[0]


def test_papers_that_are_run_at_once_have_something_to_run() -> None:
    assert {*FAST} <= {name_of(paper) for paper in RUN}


def test_links_in_code_are_none(tmp_path: Path) -> None:
    (tmp_path / "paper.md").write_text("[a](b.md)\n```python\nx[0](c)\n```\n")
    assert paper_links(tmp_path / "paper.md") == ["b.md"]
