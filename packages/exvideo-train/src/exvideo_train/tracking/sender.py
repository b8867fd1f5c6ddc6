"""A thread that delivers what waits, again and again until it is through; its failures stop nobody."""

import sys
import threading
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts; each pause is twice the last one
# Seconds between deliveries: one takes as long for twenty steps as for one, and the interpreter from the steps.
GAP = 5.0


class Sender:
    """Calls `deliver` in a thread of its own whenever it is woken, and after pauses that grow while it fails.

    Args:
        deliver: sends all that waits; an exception means that something was left.
        goal: the place that it sends to, in the words of a warning.
    """

    def __init__(self, deliver: Callable[[], None], goal: str) -> None:
        self._deliver, self._goal = deliver, goal
        self._condition = threading.Condition()
        self._asked = self._done = 0
        self._hurried = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        """Starts the thread, which delivers at once."""
        self.wake()
        self._thread.start()

    def wake(self) -> None:
        """Says that something waits; returns at once."""
        with self._condition:
            self._asked += 1
            self._condition.notify_all()

    def finish(self, patience: float) -> bool:
        """Waits at most `patience` seconds until nothing waits, and ends the thread; False if something is left."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()
            through = self._condition.wait_for(lambda: self._done == self._asked, timeout=patience)
            self._stopped = True
            self._condition.notify_all()
        return through

    def _run(self) -> None:
        pause, failing = FIRST_PAUSE, False
        while (asked := self._next()) is not None:
            try:
                self._deliver()
            except Exception as error:
                if not failing:
                    warn(f"{self._goal} cannot be reached ({reason(error)}): the run goes on, and this is tried again.")
                failing, pause = True, self._rest(pause)
                continue
            if failing:
                warn(f"{self._goal} has been reached again; all that waited is sent.")
            failing, pause = False, FIRST_PAUSE
            with self._condition:
                self._done = asked
                self._condition.notify_all()
            self._rest(GAP)

    def _next(self) -> int | None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._asked > self._done)
            return None if self._stopped else self._asked

    def _rest(self, pause: float) -> float:
        """Waits, unless it is hurried meanwhile; returns the next pause in seconds."""
        with self._condition:
            hurried = self._condition.wait_for(lambda: self._stopped or self._hurried, timeout=pause)
            self._hurried = False
        return FIRST_PAUSE if hurried else min(2 * pause, LONGEST_PAUSE)


def warn(sentence: str) -> None:
    """Prints a line to stderr, beside a progress bar if there is one."""
    print(sentence, file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """An error in a part of one line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 160 else words[:157] + "..."
