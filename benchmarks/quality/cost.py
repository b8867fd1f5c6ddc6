"""The cost of clips as it was counted: frames that the network evaluated, and the processor's seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Meter:
    """Counts of what a network was asked for while `counted` lasted.

    Attributes:
        evaluations: calls of the network.
        frames: of all calls, clips together; with guidance a frame counts twice.
        seconds: of the processor, inside the network.
    """

    def __init__(self) -> None:
        self.evaluations, self.frames, self.seconds = 0, 0, 0.0
        self._begun = 0.0

    @contextmanager
    def counted(self, network: Any) -> Iterator["Meter"]:
        """Counts the calls of a network whose first argument is (clips, frames, ...)."""
        hooks = network.register_forward_pre_hook(self._begin), network.register_forward_hook(self._end)
        try:
            yield self
        finally:
            for hook in hooks:
                hook.remove()

    def _begin(self, network: Any, arguments: tuple[Any, ...]) -> None:
        clips, frames = arguments[0].shape[:2]
        self.evaluations += 1
        self.frames += clips * frames
        self._begun = time.process_time()

    def _end(self, network: Any, arguments: tuple[Any, ...], answer: Any) -> None:
        self.seconds += time.process_time() - self._begun
