"""The cheapest change of settings with which a run fits."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from exvideo_train.config import TrainConfig

# Settings that save memory, those that cost least time first; and what each costs, in words.
SAVINGS: list[tuple[str, Any, str]] = [
    ("optimizer.micro_batch_size", 1, "the same numbers, a clip at a time"),
    ("engine.zero_stage", 2, "the same numbers, gradients and state shared by the processes"),
    ("engine.gradient_checkpointing", "all", "the same numbers, a step takes about a third longer"),
    ("engine.precision", "bf16", "half the weights and activations, rounded to 8 bits of mantissa"),
    ("engine.offload_optimizer", True, "the same numbers, updates made in main memory, slower"),
    ("engine.zero_stage", 3, "the same numbers, weights shared by the processes too, and fetched for each layer"),
    ("optimizer.kind", "adamw_8bit", "moments in 8 bits"),
    ("extension.level", "lora", "another run: low-rank updates of temporal attention alone"),
]


def cheapest(config: TrainConfig, processes: int, fits: Callable[[TrainConfig], bool]) -> list[tuple[str, str]] | None:
    """Settings, "key=value" and the cost in words, with which a configuration fits: one if one is enough, or the first
    so many of `SAVINGS`; None if all of them are not enough.

    Args:
        processes: of the run; ZeRO saves nothing with one.
        fits: True for a configuration that fits.
    """
    useful = [
        saving for saving in SAVINGS
        if _changes(config, saving) and (processes > 1 or saving[0] != "engine.zero_stage")
    ]  # fmt: skip
    for saving in useful:
        if fits(changed(config, saving)):
            return [_told(saving)]
    for count in range(2, len(useful) + 1):
        together = config
        for saving in useful[:count]:
            together = changed(together, saving)
        if fits(together):
            return [_told(saving) for saving in useful[:count]]
    return None


def changed(config: TrainConfig, saving: tuple[str, Any, str]) -> TrainConfig:
    """A configuration with one setting changed."""
    section, name = saving[0].split(".")
    return config.model_copy(update={section: getattr(config, section).model_copy(update={name: saving[1]})})


def _changes(config: TrainConfig, saving: tuple[str, Any, str]) -> bool:
    section, name = saving[0].split(".")
    now = getattr(getattr(config, section), name)
    if name == "zero_stage":
        return bool(now < saving[1])
    if name == "kind" and (config.engine.zero_stage > 0 or find_spec("bitsandbytes") is None):
        return False
    return bool(now != saving[1])


def _told(saving: tuple[str, Any, str]) -> tuple[str, str]:
    value = str(saving[1]).lower() if isinstance(saving[1], bool) else saving[1]
    return f"{saving[0]}={value}", saving[2]
