"""The result of an evaluation on held-out clips: its figures, and its curves along the clip."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Self


@dataclass(frozen=True)
class Evaluation:
    """Means over the held-out clips.

    Args:
        sigmas: noise levels.
        loss: the objective's own, averaged over the sigmas.
        loss_by_sigma: the same, of each sigma.
        mse_by_sigma: mean squared error of the predicted clean latents.
        mse_by_frame: the same of each sigma and temporal row of the latents, which is a frame where the base's
            autoencoder does not compress time. Of clips of several lengths, a row is the mean over those that have it.
        loss_by_bucket: the loss over the clips of each size and length, "64x48x40"; empty where there is but one.
    """

    sigmas: Sequence[float]
    loss: float
    loss_by_sigma: Sequence[float]
    mse_by_sigma: Sequence[float]
    mse_by_frame: Sequence[Sequence[float]]
    loss_by_bucket: Mapping[str, float] = field(default_factory=dict)

    def figures(self, base_rows: int) -> dict[str, float]:
        """Numbers to follow over a run.

        Args:
            base_rows: temporal rows of the longest clip that the base was trained on.

        Returns:
            `loss`; `loss_sigma_4`, `mse_sigma_4` ... of each sigma; `loss_64x48x40` ... of each bucket; and, averaged
            over the sigmas, `mse_first_third`, `mse_middle_third` and `mse_last_third` of the clip, and
            `mse_beyond_base` of what is longer than the base.
        """
        figures = {"loss": self.loss}
        for index, sigma in enumerate(self.sigmas):
            figures[f"loss_sigma_{sigma:g}"] = self.loss_by_sigma[index]
            figures[f"mse_sigma_{sigma:g}"] = self.mse_by_sigma[index]
        figures |= {f"loss_{name}": loss for name, loss in self.loss_by_bucket.items()}
        rows = [fmean(row) for row in zip(*self.mse_by_frame, strict=True)]
        third = max(1, len(rows) // 3)
        parts = {
            "first_third": rows[:third],
            "middle_third": rows[third:-third],
            "last_third": rows[-third:],
            "beyond_base": rows[base_rows:],
        }
        return figures | {f"mse_{name}": fmean(part) for name, part in parts.items() if part}

    def to_json(self) -> dict[str, Any]:
        """The same as JSON can write it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """The inverse of `to_json`; raises TypeError for other values."""
        return cls(**values)
