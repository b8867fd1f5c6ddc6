"""The model card of a run's extension, README.md beside it: the data, the losses, and the settings to repeat it."""

import json
import os
from pathlib import Path
from typing import Any

import yaml
from exvideo_blocks import Extension, model_card

from exvideo_train.atomic import write_text
from exvideo_train.config import TrainConfig
from exvideo_train.data import Data
from exvideo_train.data.buckets import by_bucket
from exvideo_train.data.dataset import Clip

FILE = "README.md"


def begin_card(extension: Extension, config: TrainConfig) -> str:
    """The part of the card that is known before the first step, when the extension's parameters are whole still."""
    base = config.base if config.base and "/" in config.base and not Path(config.base).exists() else None
    return model_card(extension, base_model=base)


def finish_card(text: str, config: TrainConfig, data: Data, processes: int, step: int) -> Path:
    """Writes the whole card to the run's folder and returns its path.

    Args:
        text: of `begin_card`.
        config: complete.
        processes: their number.
        step: updates made.
    """
    section = config.optimizer
    rows = {
        "clips": f"{_shapes(data.training)}, from {_videos(data.training)} videos",
        "held-out clips": f"{len(data.held_out)}, from {_videos(data.held_out)} videos",
        "steps": f"{step}, of {section.batch_size} clips each, in {config.engine.precision}",
        "processes": str(processes),
        **_losses(config.output / "validation"),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    settings = yaml.safe_dump(_public(config.model_dump(mode="json", exclude_defaults=True)), sort_keys=False)
    path = config.output / FILE
    write_text(
        path,
        f"""{text}
## How it was trained

| what | value |
| --- | --- |
{table}

By exvideo-train, with the settings below in `x.yaml`; of paths of the machine, the last part is shown:

    exvideo-train --config x.yaml

```yaml
{settings.rstrip()}
```
""",
    )
    return path


def _shapes(clips: list[Clip]) -> str:
    """The number of clips of each length, and of each size where there are several."""
    buckets = by_bucket(clips)
    several = len({(bucket.height, bucket.width) for bucket in buckets}) > 1
    return ", ".join(
        f"{len(own)} of {bucket.num_frames} frames" + (f" at {bucket.height}x{bucket.width}" if several else "")
        for bucket, own in buckets.items()
    )


def _videos(clips: list[Clip]) -> int:
    return len({clip.path for clip in clips})


def _losses(folder: Path) -> dict[str, str]:
    """Held-out losses by the run's own records; none where nothing was held out."""
    records = sorted(folder.glob("step-*.json"))
    if not records:
        return {}
    first, last = (json.loads(path.read_text(encoding="utf-8")) for path in (records[0], records[-1]))
    losses = {f"held-out loss at step {record['step']}": f"{record['loss']:.4g}" for record in (first, last)}
    if last["base"] is not None:
        losses["held-out loss of the base, run at this length"] = f"{last['base']['loss']:.4g}"
    return losses


def _public(value: Any) -> Any:
    """Settings without what is nobody's business: folders of the machine, and the server that figures went to."""
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items() if key != "tracking"}
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value
