"""Batches ahead of their step: the same bits, in the same order, and errors where they are asked for."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exvideo_blocks.families.svd import SigmaObjective
from exvideo_infer import Conditions
from exvideo_train.config import load_config
from exvideo_train.data.dataset import Clip
from exvideo_train.data.latent_cache import EncodedClip
from exvideo_train.prefetch import Batches
from exvideo_train.processes import Processes

MakeConfig = Callable[..., Path]
CLIPS = [Clip(Path(f"{number}.mp4"), 0, 3, 8.0, (16, 16)) for number in range(5)]


class Numbered:
    """A cache whose clips hold their own number; one of them cannot be read."""

    def __init__(self, bad: str = "") -> None:
        self.bad, self.reads = bad, []  # type: ignore[var-annotated]

    def read(self, clip: Clip, variant: int | None = None) -> EncodedClip:
        self.reads.append(clip.path.stem)
        if clip.path.stem == self.bad:
            raise OSError("gone")
        conditions = Conditions(torch.ones(1, 5, 6), torch.ones(1, 4, 2, 2), torch.ones(1, 3))
        return EncodedClip(torch.full((3, 4, 2, 2), float(clip.path.stem)), conditions)


def batches(path: Path, cache: Any, processes: Any = None, micro_batches: int = 2) -> Batches:
    data: Any = SimpleNamespace(training=CLIPS, cache=cache)
    return Batches(load_config(path), SigmaObjective(), data, processes or Processes(), micro_batches)


def make(make_config: MakeConfig, prefetch: int) -> Path:
    sizes = {"optimizer.batch_size": 4, "optimizer.micro_batch_size": 2, "optimizer.steps": 6}
    return make_config(**sizes, **{"data.prefetch": prefetch})


def test_no_bit_depends_on_it(make_config: MakeConfig) -> None:
    taken = []
    for prefetch in (0, 1, 4):
        made = batches(make(make_config, prefetch), Numbered())
        taken.append([made.take(step, turn) for step in range(6) for turn in range(2)])
        made.close()
    for plain, *others in zip(*taken, strict=True):
        for other in others:
            assert torch.equal(plain.latents, other.latents)
            assert torch.equal(plain.noise, other.noise)
            assert torch.equal(plain.level, other.level)


def test_nothing_is_read_beyond_the_last_step(make_config: MakeConfig) -> None:
    cache = Numbered()
    made = batches(make(make_config, 3), cache)
    for step in range(6):
        for turn in range(2):
            made.take(step, turn)
    made.close()
    assert len(cache.reads) == 6 * 4


def test_an_error_comes_where_its_batch_is_asked_for(make_config: MakeConfig) -> None:
    made = batches(make(make_config, 2), Numbered(bad="3"))
    order = [made.order.clip(step, index).path.stem for step in range(6) for index in range(4)]
    good = order.index("3") // 2  # micro-batches before the one that it is in
    for place in range(good):  # though threads have tried to read it by then
        made.take(*divmod(place, 2))
    with pytest.raises(OSError, match="gone"):
        made.take(*divmod(good, 2))
    made.close()


def test_processes_share_a_step(make_config: MakeConfig) -> None:
    path = make(make_config, 0)

    def of(rank: int) -> list[int]:
        processes = SimpleNamespace(share=lambda items: items[rank::2])
        made = batches(path, Numbered(), processes, micro_batches=1)
        return made.samples(0)

    assert (of(0), of(1)) == ([0, 2], [1, 3])
