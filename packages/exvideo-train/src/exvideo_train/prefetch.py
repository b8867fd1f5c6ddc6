"""Batches made in threads before they are asked for: as every draw is keyed, no bit changes."""

from concurrent.futures import Future, ThreadPoolExecutor

from exvideo_blocks import Objective

from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.order import ClipOrder
from exvideo_train.processes import Processes
from exvideo_train.step import Batch, training_batch

MOST_THREADS = 4


class Batches:
    """This process's batches of a run.

    Args:
        config: the run; `data.prefetch` steps are made ahead.
        objective: draws the noise levels.
        data: the clips.
        processes: whose samples of a step are dealt out.
        micro_batches: batches of a step, in each process.

    Attributes:
        order: of the clips.
    """

    def __init__(
        self, config: TrainConfig, objective: Objective, data: Data, processes: Processes, micro_batches: int
    ) -> None:
        self._config, self._objective, self._cache = config, objective, data.cache
        self.order = ClipOrder(data.training, config.seed, config.optimizer.batch_size)
        self._own = processes.share(list(range(config.optimizer.batch_size)))
        self._turns = range(micro_batches)
        self._ahead = config.data.prefetch
        self._pool: ThreadPoolExecutor | None = None
        self._pending: dict[tuple[int, int], Future[Batch]] = {}

    def samples(self, turn: int) -> list[int]:
        """Indices, in a step's global batch, of the samples of micro-batch `turn`."""
        size = self._config.optimizer.micro_batch_size
        return self._own[turn * size :][:size]

    def take(self, step: int, turn: int) -> Batch:
        """Micro-batch `turn` of step `step`, from 0; raises what reading it raises."""
        if self._ahead == 0:
            return self._make(step, turn)
        self._pool = self._pool or ThreadPoolExecutor(min(self._ahead, MOST_THREADS), "prefetch")
        last = min(step + self._ahead, self._config.optimizer.steps - 1)
        for place in [(number, part) for number in range(step, last + 1) for part in self._turns]:
            if place not in self._pending and place >= (step, turn):
                self._pending[place] = self._pool.submit(self._make, *place)
        return self._pending.pop((step, turn)).result()

    def close(self) -> None:
        """Ends the threads; batches that nobody has asked for are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()

    def _make(self, step: int, turn: int) -> Batch:
        samples = self.samples(turn)
        return training_batch(self._config, self._objective, self._cache, self.order, step, samples)
