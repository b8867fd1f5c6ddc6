"""A queue of clips before one model: bounded, watched and cancelled from any thread, made by one."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from torch import Tensor

from exvideo_infer.jobs.job import NAME_LENGTH, Clip, Job, steps_of
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.jobs.maker import CancelledError, Maker, Watch
from exvideo_infer.jobs.run import Write, clip_path, is_whole, make, settings_path, write_clip
from exvideo_infer.memory import is_out_of_memory

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_KEPT = 1000  # tickets of clips that are done; the clips themselves stay in the folder


class Status(StrEnum):
    """The state of a clip that was asked for."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True if nothing more comes."""
        return self not in (Status.QUEUED, Status.RUNNING)


class QueueFullError(Exception):
    """A clip that was refused because as many wait as may."""


@dataclass(eq=False)
class Ticket:
    """A clip that was asked for.

    Args:
        name: of the clip.
        settings: what decides it.
        clip: to be made; None for one that was in the folder already.
        upload: a file that is removed once the clip is done.
    """

    name: str
    settings: Mapping[str, Any]
    status: Status
    clip: Clip | None = None
    upload: Path | None = None
    step: int = 0
    num_steps: int = 0
    seconds: float | None = None
    preview: Any = None
    error: str | None = None
    deleted: bool = False
    created: float = field(default_factory=time.time)
    watch: Watch = field(default_factory=Watch)


class JobQueue:
    """Makes clips into a folder, one after another, in a thread of its own.

    Args:
        maker: the loaded model.
        folder: of the clips; made if missing. It may be shared with other processes, as `make_all` shares it.
        limits: of clips, and of those that wait.
        show: makes a preview of a step's tensors for the ticket.
        write: writes a clip's file.
    """

    def __init__(
        self,
        maker: Maker,
        folder: Path,
        limits: Limits,
        show: Callable[[Mapping[str, Tensor]], Any] | None = None,
        write: Write = write_clip,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.maker, self.folder, self.limits = maker, folder, limits
        self._show, self._write = show, write
        self._model = maker.model
        self._tickets: dict[str, Ticket] = {}
        self._waiting: list[Ticket] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="clips", daemon=True)
        self._thread.start()

    def submit(self, job: Job, upload: Path | None = None) -> Ticket:
        """Puts a clip in the queue. One that is there, waits or is made has its ticket already, which is given.

        Args:
            job: what is asked for.
            upload: a file that goes when the clip is done.

        Raises:
            ValueError: the model cannot make it, or it is larger than the limits.
            QueueFullError: as many wait as may.
        """
        ticket = None
        try:
            clip = self.maker.resolve(job)
            self.limits.check(clip)
            ticket = self._ticket(clip, upload)
        finally:
            if upload is not None and (ticket is None or ticket.upload != upload):
                upload.unlink(missing_ok=True)
        return ticket

    def _ticket(self, clip: Clip, upload: Path | None) -> Ticket:
        name = clip.name(self._model)
        with self._changed:
            known = self.get(name)
            if known is not None and known.status not in (Status.FAILED, Status.CANCELLED):
                return known
            room = self.limits.queue
            if len(self._waiting) >= room:
                raise QueueFullError(f"{room} clips wait already, and no more may: ask again when one is done.")
            ticket = Ticket(name, clip.settings, Status.QUEUED, clip, upload, num_steps=steps_of(clip.settings))
            self._tickets.pop(name, None)
            self._tickets[name] = ticket
            self._forget()
            self._waiting.append(ticket)
            self._changed.notify_all()
            return ticket

    def get(self, name: str) -> Ticket | None:
        """The ticket of a clip, or one of a clip that is in the folder; None if there is neither."""
        with self._changed:
            if name in self._tickets:
                return self._tickets[name]
        if not re.fullmatch(rf"[0-9a-f]{{{NAME_LENGTH}}}", name) or not is_whole(self.folder, name):
            return None
        path = settings_path(self.folder, name)
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        created = clip_path(self.folder, name).stat().st_mtime
        return Ticket(name, settings, Status.COMPLETED, created=created)

    def newest(self, limit: int) -> list[Ticket]:
        """Tickets, and clips of the folder that have none, the newest first."""
        with self._changed:
            created = {name: ticket.created for name, ticket in self._tickets.items()}
        for path in self.folder.glob(clip_path(self.folder, "*").name):
            with suppress(FileNotFoundError):  # deleted meanwhile
                created.setdefault(path.stem, path.stat().st_mtime)
        names = sorted(created, key=lambda name: created[name], reverse=True)[:limit]
        return [ticket for ticket in map(self.get, names) if ticket is not None]

    def position(self, ticket: Ticket) -> int | None:
        """Clips that are made before this one begins; None unless it waits."""
        with self._changed:
            return self._waiting.index(ticket) + 1 if ticket in self._waiting else None

    def cancel(self, ticket: Ticket) -> bool:
        """Takes a clip off the queue, or ends its making within a step; False if it is done."""
        with self._changed:
            if ticket.status.is_final:
                return False
            ticket.watch.cancelled.set()
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._end(ticket, Status.CANCELLED)
            return True

    def delete(self, ticket: Ticket) -> None:
        """Cancels a clip, and removes it with all that is known of it."""
        with self._changed:
            ticket.deleted = True
            self.cancel(ticket)
            self._tickets.pop(ticket.name, None)
            self._remove(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> None:
        """Waits until something changes in the queue or a clip makes a step, no longer than so many seconds."""
        with self._changed:
            if not ticket.status.is_final:
                self._changed.wait(seconds)

    def close(self) -> None:
        """Cancels all clips and ends the thread."""
        with self._changed:
            self._closed = True
            for ticket in list(self._tickets.values()):
                self.cancel(ticket)
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                ticket = self._waiting.pop(0)
                ticket.status = Status.RUNNING
                self._changed.notify_all()
            status, start = Status.COMPLETED, time.monotonic()
            try:
                self._make(ticket)
            except CancelledError:
                status = Status.CANCELLED
            except Exception as error:
                status, ticket.error = Status.FAILED, _sentence(error)
            ticket.seconds = time.monotonic() - start
            with self._changed:
                self._end(ticket, status)

    def _make(self, ticket: Ticket) -> None:
        def on_step(step: int, _num_steps: int, tensors: Mapping[str, Tensor]) -> None:
            ticket.step = step
            if self._show is not None:
                ticket.preview = self._show(tensors)
            with self._changed:
                self._changed.notify_all()

        assert ticket.clip is not None
        ticket.watch.on_step = on_step
        while True:
            ticket.watch.check()
            info = make(ticket.name, ticket.clip, self.folder, self.maker, ticket.watch, self._write)
            if info is not None or is_whole(self.folder, ticket.name):
                return
            time.sleep(_POLL_SECONDS)  # another process is making it

    def _end(self, ticket: Ticket, status: Status) -> None:
        ticket.status = status
        if ticket.deleted:
            self._remove(ticket)
        ticket.preview = None
        ticket.watch.on_step = None
        if ticket.upload is not None:
            ticket.upload.unlink(missing_ok=True)
        self._changed.notify_all()

    def _remove(self, ticket: Ticket) -> None:
        for path in (clip_path(self.folder, ticket.name), settings_path(self.folder, ticket.name)):
            path.unlink(missing_ok=True)

    def _forget(self) -> None:
        done = [name for name, ticket in self._tickets.items() if ticket.status.is_final]
        for name in done[: max(0, len(done) - _KEPT)]:
            del self._tickets[name]


def _sentence(error: Exception) -> str:
    if is_out_of_memory(error):
        return "There was not enough memory for the clip: ask for fewer frames, or a smaller height and width."
    if isinstance(error, ValueError):
        return str(error)
    logger.error("A clip failed.", exc_info=error)
    return f"The clip failed by a fault of the program ({type(error).__name__}): its log says more."
