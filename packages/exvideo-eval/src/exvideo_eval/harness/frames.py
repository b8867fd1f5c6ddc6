"""Counts the video frames that PyAV decodes for a program."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import av


class decoded_frames:  # noqa: N801 - a context manager, named as such
    """Counts, while it is entered, the frames of video decoded from whatever `av.open` opens; `.frames` has them.

    Containers, streams, packets and codecs are handed out behind stand-ins that behave as they do and count what their
    `decode` gives. Files that were opened before, and programs other than PyAV, are not seen.
    """

    def __init__(self) -> None:
        self.frames = 0

    def __enter__(self) -> "decoded_frames":
        self._patch = patch.object(av, "open", self._open)
        self._really_open = av.open
        self._patch.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._patch.stop()

    def _open(self, *args: Any, **kwargs: Any) -> Any:
        return _stand_in(self._really_open(*args, **kwargs), self)

    def _count(self, frames: Any) -> Any:
        if isinstance(frames, list):
            self.frames += sum(map(_is_video, frames))
            return frames
        return self._each(frames)

    def _each(self, frames: Any) -> Iterator[Any]:
        for frame in frames:
            self.frames += _is_video(frame)
            yield frame


def _is_video(frame: Any) -> bool:
    return isinstance(frame, av.VideoFrame)


class _StandIn:
    """An object of PyAV's, seen through: `isinstance` takes it for what it stands for."""

    __slots__ = ("_counter", "_real")

    def __init__(self, real: Any, counter: decoded_frames) -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_counter", counter)

    @property  # type: ignore[misc] # object's can be set, this one cannot
    def __class__(self) -> type:
        kind: type = type(object.__getattribute__(self, "_real"))
        return kind

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if not callable(value):
            return _stand_in(value, self._counter)

        def method(*args: Any, **kwargs: Any) -> Any:
            result = value(*map(_real, args), **{key: _real(item) for key, item in kwargs.items()})
            return self._counter._count(result) if name == "decode" else _stand_in(result, self._counter)

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, _real(value))

    def __enter__(self) -> "_StandIn":
        self._real.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._real.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        return (_stand_in(item, self._counter) for item in self._real)

    def __getitem__(self, key: Any) -> Any:
        return _stand_in(self._real[key], self._counter)

    def __len__(self) -> int:
        return len(self._real)

    def __eq__(self, other: object) -> bool:
        return bool(self._real == _real(other))

    def __hash__(self) -> int:
        return hash(self._real)


def _real(value: Any) -> Any:
    if type(value) is _StandIn:
        return object.__getattribute__(value, "_real")
    if isinstance(value, list | tuple):
        return type(value)(map(_real, value))
    return value


def _stand_in(value: Any, counter: decoded_frames) -> Any:
    """Of an object that decodes or leads to one that does; lists and generators of them one by one; else itself."""
    leads = (av.container.InputContainer, av.container.streams.StreamContainer, av.stream.Stream)
    if isinstance(value, (*leads, av.codec.context.CodecContext, av.Packet)):
        return _StandIn(value, counter)
    if isinstance(value, list | tuple):
        return type(value)(_stand_in(item, counter) for item in value)
    if isinstance(value, Iterator):
        return (_stand_in(item, counter) for item in value)
    return value
