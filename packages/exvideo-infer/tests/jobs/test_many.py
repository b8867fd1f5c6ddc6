"""The command itself on a list of fifty: killed at random and started again, interrupted, and shared by torchrun."""

import json
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from exvideo_infer import probe

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # eight starts, 10 s of imports each on an idle core

FRAMES = 2
SIZE = ["--height", "16", "--width", "16", "--steps", "2", "--num-frames", str(FRAMES), "--device", "cpu"]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29631"]


def write_list(folder: Path, count: int) -> Path:
    rows = [{"prompt": f"a {('red', 'blue')[number % 2]} circle", "seed": number // 2} for number in range(count)]
    path = folder / "list.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def start(base: Path, rows: Path, out: Path, log: Path, *launcher: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, *launcher, "-m", "exvideo_infer", "--base", str(base), "--prompts", str(rows)]
    with log.open("ab") as file:
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        arguments = [*command, "-o", str(out), *SIZE]
        return subprocess.Popen(arguments, stdout=file, stderr=subprocess.STDOUT, preexec_fn=heed)


def check(out: Path, log: Path, count: int) -> None:
    """All clips are there and whole, each was made once, and nothing else is in the folder."""
    clips = list(out.glob("*.mp4"))
    assert [probe(clip).num_frames for clip in clips] == [FRAMES] * count
    settings = [json.loads(clip.with_suffix(".json").read_text()) for clip in clips]
    assert len({(one["prompt"], one["seed"]) for one in settings}) == count
    assert len(list(out.iterdir())) == 2 * count
    made = [line.split(":")[0] for line in log.read_text().splitlines() if line.startswith("Wrote ")]
    assert len(made) == len(set(made))


def count_of(out: Path) -> int:
    return len(list(out.glob("*.mp4")))


def test_fifty_clips_killed_at_random_and_started_again(text_base_dir: Path, tmp_path: Path) -> None:
    rows, out, log = write_list(tmp_path, 50), tmp_path / "clips", tmp_path / "log"
    draws = random.Random(0)
    kills = 0
    while count_of(out) < 50 and kills < 6:
        process, before = start(text_base_dir, rows, out, log), count_of(out)
        aim = min(50, before + draws.randrange(2, 9))
        while count_of(out) < aim and process.poll() is None:
            time.sleep(0.01)
        time.sleep(draws.random() * 0.3)  # in the middle of a clip, or of writing it
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills == 6
    assert count_of(out) < 50
    before_interrupt = count_of(out)
    process = start(text_base_dir, rows, out, log)
    while count_of(out) == before_interrupt and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "Traceback" not in log.read_text()
    assert start(text_base_dir, rows, out, log).wait() == 0
    check(out, log, 50)


def test_two_processes_of_torchrun_share_a_list(text_base_dir: Path, tmp_path: Path) -> None:
    rows, out, log = write_list(tmp_path, 24), tmp_path / "clips", tmp_path / "log"
    assert start(text_base_dir, rows, out, log, *TORCHRUN).wait() == 0
    check(out, log, 24)
    sums = [line for line in log.read_text().splitlines() if line.endswith(" were made here.")]
    made = [int(line.rsplit(": ", 1)[1].split()[0]) for line in sums]
    assert len(made) == 2
    assert sum(made) == 24
    assert min(made) > 0
