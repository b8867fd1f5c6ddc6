"""The processes of a run that torchrun started: each takes its share of the files and waits for the others."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = timedelta(days=7)  # of a process that waits for one that still measures; torchrun ends all if one fails


@dataclass(frozen=True)
class Processes:
    """Process number `rank` of `size`; one alone by default."""

    rank: int = 0
    size: int = 1

    @classmethod
    def started(cls) -> "Processes":
        """Those that torchrun started, joined by gloo; one alone if none did. Raises ValueError if they cannot join."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        import torch.distributed

        try:
            torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"{size} processes were started and cannot reach each other ({error}): start them by torchrun."
            ) from error
        return cls(torch.distributed.get_rank(), size)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every `size`-th item, from the `rank`-th on."""
        return items[self.rank :: self.size]

    def wait(self) -> None:
        """Returns when every process has called it."""
        if self.size > 1:
            import torch.distributed

            torch.distributed.barrier()

    def leave(self) -> None:
        """To be called once, at the end."""
        if self.size > 1:
            import torch.distributed

            torch.distributed.destroy_process_group()
