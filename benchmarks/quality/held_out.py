"""Held-out losses of the runs that are trained here, by noise level: the base's, the start's, halfway, at the end."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

METRICS = "metrics.jsonl"
LEVEL = "loss_sigma_"
OF_BASE, OF_RUN = f"validation_base/{LEVEL}", f"validation/{LEVEL}"

# By the sigma of a noise level: of the `base` run directly, at the `start`, `halfway`, at the `end`.
Losses = dict[str, dict[str, float]]


def held_out(extensions: Sequence[Path]) -> Losses:
    """Means over runs; nothing where one of them has left no figures of held-out clips.

    Args:
        extensions: what the runs have left, each beside its figures.

    Raises:
        ValueError: figures of a run are damaged.
    """
    runs = [_of_run(extension.with_name(METRICS)) for extension in extensions]
    if not runs or not all(runs):
        return {}
    return {sigma: {name: mean(run[sigma][name] for run in runs) for name in of} for sigma, of in runs[0].items()}


def _of_run(path: Path) -> Losses:
    if not path.exists():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        told = [row for row in rows if any(name.startswith(OF_RUN) for name in row)]
        halfway = min(told, key=lambda row: abs(row["step"] - told[-1]["step"] / 2)) if told else {}
        sigmas = [name.removeprefix(OF_RUN) for row in told[:1] for name in row if name.startswith(OF_RUN)]
        return {
            sigma: {
                "base": float(told[0][OF_BASE + sigma]),
                "start": float(told[0][OF_RUN + sigma]),
                "halfway": float(halfway[OF_RUN + sigma]),
                "end": float(told[-1][OF_RUN + sigma]),
            }
            for sigma in sigmas
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}): remove {path.parent}, and it is trained again.") from error
