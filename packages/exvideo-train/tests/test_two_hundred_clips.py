"""A folder as people have it: 200 files, 15 of no use, 8 unusual; a run takes what can be taken, and names the rest."""

import gc
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from exvideo_blocks.families import svd
from exvideo_infer import load_base, read_clip
from exvideo_infer.video_file import write_video
from exvideo_train.cli import main
from exvideo_train.config import load_config
from exvideo_train.data import encode_data
from exvideo_train.data.sharing import Alone
from exvideo_train.order import ClipOrder
from exvideo_train.step import training_batch
from PIL import Image

from tiny_world.camera_files import TO_2020, pq, write

MakeConfig = Callable[..., Path]
FRAMES, SIZE = 12, 64
# Colours that are the same in HDR's narrower half: grey, and corners of soft red and blue.
GREY, RED, BLUE = (110, 110, 110), (160, 90, 90), (80, 90, 150)


def pictures(height: int = SIZE, width: int = SIZE, num_frames: int = FRAMES) -> list[np.ndarray]:
    """A red corner top left, a blue one bottom right, and a white bar that moves."""
    found = []
    for t in range(num_frames):
        picture = np.full((height, width, 3), GREY, np.uint8)
        picture[: height // 4, : width // 4] = RED
        picture[-(height // 4) :, -(width // 4) :] = BLUE
        picture[7 * height // 16 : 9 * height // 16, 2 * t : 2 * t + 6] = 200
        found.append(picture)
    return found


def hdr(frames: list[np.ndarray]) -> list[np.ndarray]:
    """The same in PQ, a screen's white at 203 cd/m2 (ITU-R BT.2408)."""
    return list((pq((np.stack(frames) / 255) ** 2.4 @ TO_2020.T * 203) * 65535).round().astype(np.uint16))


def squeezed(stream: Any) -> None:
    stream.codec_context.sample_aspect_ratio = Fraction(2)


def make_unusual(folder: Path) -> dict[str, str]:
    """Eight files, and a part of the note that each is to get."""
    turned = [np.rot90(picture).copy() for picture in pictures()]
    write(folder / "turned.mp4", turned, change=lambda stream: stream.set_display_rotation(-90))
    narrow = [picture[:, ::2].copy() for picture in pictures()]
    write(folder / "anamorphic.mp4", narrow, change=squeezed)
    write(folder / "deep.mp4", pictures(), pix_fmt="yuv420p10le")
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    write(folder / "hdr.mp4", hdr(pictures()), pix_fmt="yuv420p10le", tags=tags)
    write(folder / "woven.mp4", pictures(), options={"x264-params": "tff=1:interlaced=1"})
    write(folder / "odd.mkv", pictures(63, 65), pix_fmt="yuv444p")
    jumps = [40 * number + (200 if number > 5 else 0) for number in range(FRAMES)]
    write(folder / "jumps.mp4", pictures(), times=jumps)
    last = write(folder / "last.mp4", pictures(num_frames=FRAMES + 1), options={"g": "1"})
    spoil(last, [FRAMES])
    return {
        "turned.mp4": "turned by",
        "anamorphic.mp4": "pixels of 2:1",
        "deep.mp4": "10 bits",
        "hdr.mp4": "HDR (PQ)",
        "woven.mp4": "interlaced",
        "odd.mkv": "an odd size, 65x63",
        "jumps.mp4": "a variable rate",
        "last.mp4": f"damaged at frame {FRAMES}",
    }


def spoil(path: Path, places: list[int] | None = None) -> None:
    """Writes zeros over the packets of some frames; over all if None."""
    with av.open(str(path)) as container:
        entries = sorted(container.streams.video[0].index_entries, key=lambda entry: entry.pos)
        spans = [(entry.pos, entry.size) for place, entry in enumerate(entries) if places is None or place in places]
    content = bytearray(path.read_bytes())
    for pos, size in spans:
        content[pos : pos + size] = bytes(size)
    path.write_bytes(content)


def make_unusable(folder: Path) -> set[str]:
    """Fifteen files that give no clip."""
    whole = write(folder / "whole.mp4", pictures()).read_bytes()
    (folder / "whole.mp4").unlink()
    noise = np.random.default_rng(0).bytes(5000)
    contents = {
        "cut.mp4": whole[: len(whole) // 2],  # before its index
        "cut early.mp4": whole[:40],
        "empty.mp4": b"",
        "text.mp4": b"This is no video.\n" * 100,
        "notes.md": b"# Where these clips are from\n",
        "noise.mp4": noise,
        "encrypted header.mp4": noise[:64] + whole[64:],
        "no index.mp4": whole.replace(b"moov", b"skip"),
        "another codec.mp4": whole.replace(b"avc1", b"encv"),
        "half a page.mov": b"<!doctype html><title>404</title>" * 30,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write(folder / "one frame.mp4", pictures(num_frames=1))
    write(folder / "short.mp4", pictures(num_frames=FRAMES // 2))
    spoil(write(folder / "spoilt.mp4", pictures()))
    spoil(write(folder / "spoilt in the middle.mp4", pictures(), options={"g": "1"}), [FRAMES // 2])
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    names = {*contents, "one frame.mp4", "short.mp4", "spoilt.mp4", "spoilt in the middle.mp4", "sound.mp4"}
    assert len(names) == 15
    return names


@pytest.mark.long
def test_a_folder_of_two_hundred(
    make_config: MakeConfig, tiny_base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    notes, unusable = make_unusual(folder), make_unusable(folder)
    for number in range(177):
        write_video(folder / f"{number:03}.mp4", np.roll(pictures(), number % 5, axis=0), fps=25)
    assert len(list(folder.iterdir())) == 200

    changes = {"data.videos": str(folder), "data.size": [32, 32], "extension.num_frames": FRAMES}
    path = make_config(**changes, **{"optimizer.steps": 3, "checkpoint.every": 100})
    assert main(["--config", str(path)]) == 0
    said = capsys.readouterr().err.splitlines()
    for name, note in notes.items():
        assert [line for line in said if line.startswith(f"Noted: {folder / name}: ") and note in line], name
    for name in unusable:
        assert [line for line in said if line.startswith("Left out: ") and name in line], name
    assert len([line for line in said if line.startswith("Left out: ")]) == 15
    summary = "data.videos: 185 clips of 185 files; 9 files are unusual, 12 cannot be read."
    assert f"{summary} {tmp_path / 'run' / 'data.json'} says all." in said
    report = json.loads((tmp_path / "run" / "data.json").read_text())["sources"][0]
    assert report["clips"] == 185
    assert len(report["left_out"]) == 15
    assert {Path(file["file"]).name for file in report["files"] if file["notes"]} >= set(notes)

    shown = {name: read_clip(folder / name, 0, FRAMES, (32, 32)).numpy() for name in notes}
    rows = [np.concatenate(list(clip[::2].transpose(0, 2, 3, 1)), axis=1) for clip in shown.values()]
    Image.fromarray(np.concatenate(rows)).resize((32 * 6 * 3, 32 * 8 * 3), Image.Resampling.NEAREST).save(
        tmp_path / "sheet.png"
    )
    for name, clip in shown.items():
        assert_as_shown(clip, name)

    config = load_config(path)
    data = encode_data(config, load_base(tiny_base_dir), Alone(), lambda done, total: None)
    objective = svd.objective(load_base(tiny_base_dir).scheduler)
    order, memory = ClipOrder(data.training, config.seed, config.optimizer.batch_size), []
    for epoch in range(10):
        for step in range(len(data.training)):
            training_batch(config, objective, data.cache, order, epoch * len(data.training) + step, [0])
        gc.collect()
        memory.append(psutil.Process(os.getpid()).memory_info().rss / 2**20)
    assert max(memory[2:]) - memory[2] < 8, memory  # MiB


def assert_as_shown(clip: np.ndarray, name: str) -> None:
    """(frames, 3, 32, 32): upright, in the right colours, the bar on its way to the right."""
    for where, colour in (
        (clip[:, :, 1:6, 1:6], RED),
        (clip[:, :, -6:-1, -6:-1], BLUE),
        (clip[:, :, 2:6, 20:28], GREY),
    ):
        apart = np.abs(where.mean(axis=(0, 2, 3)) - colour).max()
        assert apart <= 12, (name, colour, apart)
    light = np.maximum(clip[:, :, 15:17].astype(float).mean(axis=(1, 2)) - 125, 0)
    bar = light @ np.arange(32) / light.sum(axis=1)
    assert np.abs(np.diff(bar) - 1).max() < 0.6, (name, bar)  # of the 32 pixels, a frame
