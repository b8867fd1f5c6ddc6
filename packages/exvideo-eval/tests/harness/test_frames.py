"""Frames are counted whichever way PyAV is asked for them, and the program notices nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from exvideo_eval.harness.frames import decoded_frames

FRAMES = 9


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 32
        for index in range(FRAMES):
            picture = np.full((32, 32, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def by_container(container: Any) -> list[Any]:
    return list(container.decode(video=0))


def by_stream(container: Any) -> list[Any]:
    return list(container.decode(container.streams.video[0]))


def by_packets(container: Any) -> list[Any]:
    return [frame for packet in container.demux(container.streams.video[0]) for frame in packet.decode()]


def by_codec(container: Any) -> list[Any]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    frames = []
    for packet in container.demux(stream):
        assert isinstance(packet, av.Packet)
        assert packet.stream == stream
        frames += stream.codec_context.decode(packet)
    return frames


@pytest.mark.parametrize("ask", [by_container, by_stream, by_packets, by_codec])
def test_all_frames_are_counted_and_equal_those_without_a_counter(clip: Path, ask: Callable[[Any], list[Any]]) -> None:
    with av.open(str(clip)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in ask(container)]
    with decoded_frames() as counter, av.open(str(clip)) as container:
        frames = ask(container)
        seen = [frame.to_ndarray(format="rgb24") for frame in frames]
    assert all(isinstance(frame, av.VideoFrame) for frame in frames)
    np.testing.assert_array_equal(seen, plain)
    assert counter.frames == len(plain) == FRAMES


def test_only_what_is_asked_for_is_counted(clip: Path) -> None:
    with decoded_frames() as counter, av.open(str(clip)) as container:
        next(container.decode(video=0))
        next(container.decode(video=0))
    assert counter.frames == 2
    with av.open(str(clip)) as container:
        list(container.decode(video=0))
    assert counter.frames == 2
