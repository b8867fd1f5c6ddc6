"""Work on small networks side by side, each piece on a core of its own; first of all, the parts of a batch.

Networks this small gain little from two threads inside each operation, and lose a lot when another program takes one of
the cores, as every operation waits for both. So each piece has one thread. The parts of a batch meet once a step.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor, nn

PARTS = 2
Backward = Callable[[Sequence[Callable[[], Tensor]]], float]


@contextmanager
def pool_of_cores(pieces: int = PARTS) -> Iterator[ThreadPoolExecutor]:
    """Threads for so many pieces of work at once, of one core each; a single piece has all cores, as usual."""
    threads = torch.get_num_threads()
    if pieces > 1:
        torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(pieces) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


@contextmanager
def side_by_side(network: nn.Module, parts: int = PARTS) -> Iterator[Backward]:
    """Gives a function that sets the network's gradients.

    It takes one closure a part of the batch, each returning the part's loss, and returns the mean loss. The gradients
    that it leaves are those of the mean loss; they do not depend on which part is done first. Closures must not draw
    random numbers, whose order would depend on that. A single part has all threads, as usual.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]

    def differentiate(loss_of_part: Callable[[], Tensor]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        loss = loss_of_part()
        return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)

    def backward(losses: Sequence[Callable[[], Tensor]]) -> float:
        done = list(pool.map(differentiate, losses))
        for index, parameter in enumerate(parameters):
            gradients = [part[index] for _, part in done]
            known = [gradient for gradient in gradients if gradient is not None]
            parameter.grad = torch.stack(known).sum(dim=0) / len(done) if known else None
        return torch.stack([loss for loss, _ in done]).mean().item()

    with pool_of_cores(parts) as pool:
        yield backward
