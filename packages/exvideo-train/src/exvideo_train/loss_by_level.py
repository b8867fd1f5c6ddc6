"""Training loss by noise level: which noise is learnt still, and which has been for long.

Levels are what the objective calls so, a sigma or a timestep. Each bin holds the same share of the levels that training
draws, so that each mean rests on as many samples.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import torch
from exvideo_blocks import Objective
from torch import Tensor

BINS = 6
EVERY = 100  # steps from one record to the next
DRAWS = 4096


class LossByLevel:
    """The bins of an objective.

    Args:
        objective: its own draws say where a bin ends; the generator is one of its own.
        tokens: latents of a clip in each bucket, and the number of its clips.
    """

    def __init__(self, objective: Objective, tokens: Sequence[tuple[int, int]]) -> None:
        generator, total = torch.Generator().manual_seed(0), sum(clips for _, clips in tokens)
        of_draws = [size for size, clips in tokens for _ in range(ceil(DRAWS * clips / total))]
        levels = torch.stack([objective.draw(generator, size) for size in of_draws]).double()
        self.edges = levels.quantile(torch.arange(1, BINS, dtype=torch.float64) / BINS)
        inner = [f"{edge:.3g}" for edge in self.edges.tolist()]
        between = [f"from_{low}_to_{high}" for low, high in pairwise(inner)]
        self.names = [f"below_{inner[0]}", *between, f"from_{inner[-1]}"]

    def sums(self, levels: Tensor, losses: Tensor) -> list[float]:
        """The sum of losses in each bin, then the number of samples in each.

        Args:
            levels, losses: (samples,).
        """
        bins = torch.bucketize(levels.double().cpu(), self.edges, right=True)
        values = losses.double().cpu()
        totals = torch.zeros(2, BINS, dtype=torch.float64)
        totals[0].index_add_(0, bins, values)
        totals[1].index_add_(0, bins, torch.ones_like(values))
        return [float(value) for value in totals.flatten()]

    def figures(self, sums: Sequence[float]) -> dict[str, float]:
        """The mean loss of each bin that has samples, `loss_by_level/below_0.68` ...

        Args:
            sums: `sums`, added up over samples.
        """
        pairs = zip(self.names, sums[:BINS], sums[BINS:], strict=True)
        return {f"loss_by_level/{name}": total / count for name, total, count in pairs if count}
