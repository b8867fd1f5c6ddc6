"""`mlflow_run.json`: the run on the tracking server that is this one, and how much of it the server has."""

import json
import threading
import uuid
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from exvideo_train.atomic import replacing

# Status comes before files: a place for files that cannot be reached holds up files only.
KINDS = ("tag", "status", "text", "file", "model")


@dataclass
class Item:
    """Something beside figures that the server is told: `kind` is one of `KINDS`, `value` is the kind's own."""

    kind: str
    name: str
    value: str
    sent: bool = False


class RunNote:
    """The state of sending. Two threads use it: one puts items, one takes them; each change is on disk on return.

    Args:
        path: of the file; it need not exist. A damaged one, and one of another server, is begun anew.
        uri: of the server; None for the file in the run's own folder.
    """

    def __init__(self, path: Path, uri: str | None) -> None:
        self.path, self.uri = path, uri
        self.run_id: str | None = None
        self.token = uuid.uuid4().hex  # a run that was made while no answer came is found again by it
        self.sent = 0  # lines of metrics.jsonl that the server has
        self._items: list[Item] = []
        self._lock = threading.RLock()
        self._frozen = False
        self.complaint = self._load()

    def _load(self) -> str | None:
        if not self.path.is_file():
            return None
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            run_id, uri = content["run_id"], content.get("uri", self.uri)
            sent, token = int(content.get("sent", 0)), str(content.get("token", self.token))
            items = [Item(*item) for item in content.get("items", [])]
            if {item.kind for item in items} - set(KINDS):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return f"{self.path} is damaged: tracking begins a new run with all figures."
        self._items = items
        if uri != self.uri:
            self.start_over()
            here, there = (name or "mlflow.db in the run's folder" for name in (self.uri, uri))
            return f"This run was tracked at {there}: at {here}, a new run gets all its figures."
        self.run_id, self.sent, self.token = run_id, sent, token
        return None

    def start_over(self) -> None:
        """Forgets the server's run, so that all is sent again to a new one."""
        with self._lock:
            self.run_id, self.sent, self.token = None, 0, uuid.uuid4().hex
            for item in self._items:
                item.sent = False
            self.save()

    def put(self, kind: str, name: str, value: str) -> None:
        """Adds an item, in place of an older one of its kind and name."""
        with self._lock:
            self._items = [item for item in self._items if (item.kind, item.name) != (kind, name)]
            self._items.append(Item(kind, name, value))
            self.save()

    def get(self, kind: str, name: str) -> str | None:
        """The value of an item, sent or not."""
        with self._lock:
            return next((item.value for item in self._items if (item.kind, item.name) == (kind, name)), None)

    def unsent(self) -> list[Item]:
        """Items that the server does not have, in the order of `KINDS`."""
        with self._lock:
            return sorted((item for item in self._items if not item.sent), key=lambda item: KINDS.index(item.kind))

    def save(self) -> None:
        """Writes the file; it is the old one or the new one at any moment."""
        with self._lock:
            if self._frozen:
                return
            content: dict[str, Any] = {"uri": self.uri, "run_id": self.run_id, "token": self.token, "sent": self.sent}
            content["items"] = [astuple(item) for item in self._items]
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")

    @property
    def frozen(self) -> bool:
        """True after `freeze`."""
        return self._frozen

    def freeze(self) -> None:
        """Ends all writing: another process, or another tracker of this one, may have the file from now on."""
        with self._lock:
            self._frozen = True
