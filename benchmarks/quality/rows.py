"""Rows: the clips of a method and a seed, in files of the real clips' names, with what each cost. They resume."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from exvideo_infer import ExVideoPipeline, write_video

from benchmarks.quality.cost import Meter
from benchmarks.quality.files import locked, read_json, write_json
from benchmarks.quality.making import Batch
from benchmarks.quality.methods import Method
from benchmarks.quality.record import check, deciding, note
from tiny_world.channels_last import lay_out_channels_last
from tiny_world.world.clip_files import ClipFile
from tiny_world.world.spec import FPS

BATCH = 7
SECONDS = "seconds.json"
DTYPE = torch.bfloat16  # as the demo samples: on a CPU it takes a third less time


@dataclass(frozen=True)
class Row:
    """A method with a seed of its noise."""

    method: str
    seed: int

    def folder(self, made: Path) -> Path:
        """The row's clips."""
        return made / f"{self.method}_{self.seed}"


def why_not(method: Method, num_frames: int) -> str | None:
    """The reason why a method cannot make clips of so many frames here; None where it can."""
    from exvideo_infer.beyond.rife import why_not as why_no_rife

    if method.longest is not None and num_frames > method.longest:
        return f"it makes {method.longest} frames at most"
    if num_frames <= method.beyond:
        return f"up to {method.beyond} frames it is one clip, which another method makes"
    reason = why_no_rife() if method.needs_rife else None
    return None if reason is None else f"it needs RIFE, and {reason}"


def make(row: Row, method: Method, clips: Sequence[ClipFile], num_frames: int, made: Path, base: str) -> None:
    """Makes the clips of a row that are missing.

    Args:
        clips: the real ones, always all of them: a clip's noise is by its place and the seed.
        num_frames: of each clip.
        made: folder of all rows.
        base: what `ExVideoPipeline.from_pretrained` takes.

    Raises:
        ValueError: some of its clips are there, and were made by something else.
    """
    folder, asked = row.folder(made), deciding_of(method, num_frames, base)
    folder.mkdir(parents=True, exist_ok=True)
    check(folder, asked)
    missing = [clip for clip in clips if not (folder / clip.path.name).exists()]
    if not missing:
        return
    note(folder, asked)
    pipe = ExVideoPipeline.from_pretrained(base, torch_dtype=DTYPE)
    pipe.set_progress_bar_config(disable=True)
    lay_out_channels_last(pipe.vae)
    method.prepare(pipe, num_frames)
    for start in range(0, len(missing), BATCH):
        some = missing[start : start + BATCH]
        batch = Batch(tuple(some), tuple(10_000 * row.seed + clips.index(clip) for clip in some))
        _make_batch(pipe, method, batch, num_frames, folder)


def _make_batch(pipe: Any, method: Method, batch: Batch, num_frames: int, folder: Path) -> None:
    """Writes what a batch's clips cost, then the clips."""
    meter, started = Meter(), time.process_time()
    with meter.counted(pipe.unet):
        made = method.make(pipe, batch, num_frames, method.steps(num_frames))
    seconds, share = time.process_time() - started, 1 / len(made)
    cost = {"network": meter.seconds * share, "all": seconds * share, "frames": meter.frames * share}
    _note(folder / SECONDS, {clip.path.name: cost for clip in batch.clips})
    for clip, frames in zip(batch.clips, made, strict=True):
        shutil.copyfile(clip.path.with_suffix(".json"), folder / clip.path.with_suffix(".json").name)
        write_video(folder / clip.path.name, frames, FPS)


def deciding_of(method: Method, num_frames: int, base: str) -> dict[str, Any]:
    """All that decides the clips of a method here, as `record.deciding` has it."""
    return deciding(method, num_frames, base, str(DTYPE).removeprefix("torch."))


def cost_of(folder: Path, clips: Sequence[ClipFile]) -> dict[str, float]:
    """Means over a row's clips: the processor's seconds in the `network`, in `all`, and `frames` evaluated.

    Raises:
        ValueError: the cost of a clip is not known.
    """
    way_out = f"remove {folder}, and its clips are made again"
    noted = read_json(folder / SECONDS, way_out)
    try:
        costs = [noted[clip.path.name] for clip in clips]
        return {name: sum(float(cost[name]) for cost in costs) / len(costs) for name in ("network", "all", "frames")}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / SECONDS} does not tell what every clip cost ({error!r}): {way_out}.") from error


def _note(path: Path, costs: Mapping[str, Mapping[str, float]]) -> None:
    with locked(path):
        known = read_json(path, f"remove {path.parent}, and its clips are made again") if path.exists() else {}
        write_json(path, {**known, **costs})
