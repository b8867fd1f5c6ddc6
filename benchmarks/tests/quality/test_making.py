"""Frames of every way of making them: lengths, seeds, rates, keyframes."""

from typing import Any

import numpy as np
import pytest
import torch
from exvideo_infer.beyond import chain, keyframes
from exvideo_infer.beyond.rife import why_not

from benchmarks.quality.making import (
    Batch,
    between_real,
    chained,
    eight_keyframe_stride,
    frames_of_chain,
    frames_of_windows,
    held,
    interpolated,
    keyframe_stride,
    keys_of_real,
    told_slow,
    whole,
)
from benchmarks.tests.quality.conftest import FRAMES
from tiny_world.world.clip_files import ClipFile
from tiny_world.world.render import render


def test_strides_are_those_of_the_base_and_of_eight_keyframes() -> None:
    assert [keyframe_stride(frames) for frames in (8, 9, 16, 17, 40, 80, 128)] == [1, 1, 2, 2, 5, 5, 5]
    assert [eight_keyframe_stride(frames) for frames in (8, 16, 40, 80, 128)] == [1, 3, 6, 8, 8]
    assert keyframes.keyframes_of(40, eight_keyframe_stride(40)) == 8


def test_counts_of_frames() -> None:
    assert [frames_of_chain(frames) for frames in (8, 9, 15, 40)] == [8, 10, 16, 45]
    assert [frames_of_windows(frames) for frames in (4, 8, 12, 40)] == [4, 8, 16, 72]


def test_the_same_seed_gives_the_same_clip_alone_and_in_a_batch(pipe: Any, clips: list[ClipFile]) -> None:
    both = whole(pipe, Batch(tuple(clips), (3, 4)), FRAMES, 1)
    (second,) = whole(pipe, Batch((clips[1],), (4,)), FRAMES, 1)
    assert np.abs(both[1].astype(int) - second).max() <= 1
    (other,) = whole(pipe, Batch((clips[1],), (5,)), FRAMES, 1)
    assert np.abs(other.astype(int) - second).max() > 1


def test_held_and_linear_have_the_same_keyframes(pipe: Any, clips: list[ClipFile]) -> None:
    batch = Batch((clips[0],), (3,))
    (still,), (mixed,) = held(pipe, batch, FRAMES, 1), interpolated(pipe, batch, FRAMES, 1, "linear")
    stride = keyframe_stride(FRAMES)
    assert stride == 2
    assert np.abs(still[::stride].astype(int) - mixed[::stride]).max() <= 1
    assert np.array_equal(still[1::stride], still[::stride])
    between = (mixed[:-2:stride].astype(float) + mixed[2::stride]) / 2
    assert np.abs(mixed[1:-1:stride] - between).max() <= 1


def test_a_rate_is_told(pipe: Any, clips: list[ClipFile], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    def listen(network: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        told.append(float(named["added_time_ids"][0, 0]))

    handle = pipe.unet.register_forward_pre_hook(listen, with_kwargs=True)
    batch = Batch((clips[0],), (3,))
    told_slow(pipe, batch, FRAMES, 1)
    held(pipe, batch, FRAMES, 1)
    whole(pipe, batch, FRAMES, 1)
    handle.remove()
    assert told == pytest.approx([8 * 7 / 11 - 1, 8 / 2 - 1, 8 - 1])


def test_a_chain_begins_as_the_base_s_own_clip(pipe: Any, clips: list[ClipFile]) -> None:
    batch = Batch((clips[0],), (3,))
    (long,), (short,) = chained(pipe, batch, FRAMES, 1), whole(pipe, batch, 8, 1)
    assert np.abs(long[:8].astype(int) - short).max() <= 1


def test_chains_of_a_batch_are_those_of_each_clip_alone(pipe: Any, clips: list[ClipFile]) -> None:
    made = chained(pipe, Batch(tuple(clips), (3, 4)), 16, 1)  # three clips, the last of them short
    alone = Batch(tuple(clips), (3, 4)).one_by_one(1)
    for clip, told in zip(made, alone, strict=True):
        assert np.abs(clip.astype(int) - np.stack(list(chain(pipe, 16, **told)))).max() <= 1


def test_real_keyframes_are_the_world_s_own(clips: list[ClipFile]) -> None:
    (keys,) = keys_of_real(clips[:1], FRAMES, 5)
    assert np.array_equal(keys, render(clips[0].spec, 16)[[0, 5, 10, 15]])
    if why_not():
        pytest.skip("RIFE is not installed")
    (made,) = between_real(None, Batch((clips[0],), (0,)), FRAMES, 1)
    real = render(clips[0].spec, FRAMES)
    stride = keyframe_stride(FRAMES)
    assert np.array_equal(made[::stride], real[::stride])
    frozen = np.abs(real[1:-1:stride].astype(float) - real[:-2:stride]).mean()
    assert np.abs(made[1:-1:stride].astype(float) - real[1:-1:stride]).mean() < frozen


def test_generators_are_new_at_each_call(clips: list[ClipFile]) -> None:
    batch = Batch(tuple(clips), (1, 2))
    first, again = ([torch.randn(2, generator=one) for one in batch.generators] for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
