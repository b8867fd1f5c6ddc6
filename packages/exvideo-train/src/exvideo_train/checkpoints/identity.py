"""The run that a checkpoint belongs to: all that decides its numbers, by the marks that settings carry."""

from collections.abc import Collection, Mapping
from typing import Any

from exvideo_blocks import Objective

from exvideo_train.checkpoints.checkpoint import Checkpoint
from exvideo_train.config import Mark, OptimizerSection, TrainConfig, marked
from exvideo_train.errors import UserError

# Of checkpoints that do not say it: they were written before it could be chosen.
_BEFORE = {"loss.weighting": "published", "loss.target_scale": 1.01, "initial": None}
# Compared by the rates that they give to the steps that are left.
_RATES = ("learning_rate", "warmup_steps", "learning_rate_schedule", "steps")
# Settings that decide something beside one value of another alone.
_DECIDES_ONLY_IF = {
    "extension.lora_rank": ("extension.level", "lora"),
    "noise.mean": ("noise.distribution", "lognormal"),
    "noise.std": ("noise.distribution", "lognormal"),
}
_MAX_NAMED = 3
_COUNTED = "optimizer.steps"  # of epochs, where it is not given: it has no default


def identity_of(
    config: TrainConfig, objective: Objective, base: str, data: str, initial: str | None = None
) -> dict[str, Any]:
    """The identity of a run: its settings without those that are marked free, and fingerprints of what it works on.

    Args:
        base, data: fingerprints of the base's weights and of the clips.
        initial: one of the weights that the extension starts from; None for those that the base gives it.
    """
    settings = config.model_dump(mode="json")
    for key in marked(Mark.FREE):
        *sections, name = key.split(".")
        inner = settings
        for section in sections:
            inner = inner[section]
        del inner[name]
    for section in ("noise", "loss"):  # the family's own values stand where the configuration leaves them open
        settings[section] = {key: getattr(objective, key, value) for key, value in settings[section].items()}
    content = {"base": {"weights": base}, "data": settings["data"] | {"content": data}, "initial": initial}
    return settings | content


def check_continues(
    checkpoint: Checkpoint,
    identity: Mapping[str, Any],
    clips: Mapping[str, str],
    changes: Collection[str],
) -> dict[str, list[Any]]:
    """Compares a run with the checkpoint that it is to go on from.

    Args:
        identity: of the run, as `identity_of` gives it.
        clips: its clips by name, with a fingerprint each.
        changes: keys that were changed on purpose.

    Returns:
        The settings that differ and were changed on purpose: {key: [old, new]}.

    Raises:
        UserError: others differ; it names each, with both values, and the ways out.
    """
    before, now = _deciding(_BEFORE | _flat(checkpoint.index["identity"])), _deciding(_flat(identity))
    for key in now.keys() - before.keys():
        before[key] = _default(key, now[key])
    differing = {key: [before[key], now[key]] for key in sorted(before) if key in now and before[key] != now[key]}
    if _same_rates(before, now, checkpoint.index["step"]):
        differing = {key: values for key, values in differing.items() if key not in _rate_keys()}
    wanted = {key: values for key, values in differing.items() if _is_wanted(key, changes)}
    refused = {key: values for key, values in differing.items() if key not in wanted}
    if refused:
        raise UserError(_refusal(checkpoint, refused, clips))
    return wanted


def _refusal(checkpoint: Checkpoint, refused: Mapping[str, list[Any]], clips: Mapping[str, str]) -> str:
    told = [f"{key} was {old!r}, is {new!r}" for key, (old, new) in refused.items() if key != "data.content"]
    if "data.content" in refused:
        told.append(_difference_of_clips(checkpoint.index.get("clips"), clips))
    ways = ["choose another output", "set it back"]
    changeable = [key for key in refused if key in marked(Mark.CHANGEABLE)]
    if len(changeable) == len(refused):
        ways.append(f"go on with it: {' '.join(f'--change {key}={refused[key][1]}' for key in changeable)}")
    return f"{checkpoint.folder} belongs to another run ({', '.join(told)}): {', or '.join(ways)}."


def _difference_of_clips(before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    if before is None:
        return "the clips are others"
    told = []
    for what, names in (
        ("added", [name for name in now if name not in before]),
        ("removed", [name for name in before if name not in now]),
        ("changed", [name for name in now if name in before and now[name] != before[name]]),
    ):
        if names:
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            count = "one clip was" if len(names) == 1 else f"{len(names)} clips were"
            told.append(f"{count} {what}: {', '.join(names[:_MAX_NAMED])}{more}")
    return ", ".join(told) or "the clips are in another order"


def _same_rates(before: Mapping[str, Any], now: Mapping[str, Any], step: int) -> bool:
    def section(values: Mapping[str, Any]) -> OptimizerSection:
        return OptimizerSection(**{name: values[f"optimizer.{name}"] for name in _RATES})

    old, new = section(before), section(now)
    left = range(min(step, new.steps - 1), new.steps)  # with no step left, the last one: another rate is another run
    return all(old.learning_rate_at(at) == new.learning_rate_at(at) for at in left)


def _rate_keys() -> set[str]:
    return {f"optimizer.{name}" for name in _RATES}


def _is_wanted(key: str, changes: Collection[str]) -> bool:
    """True for a change that was asked for; another distribution of noise brings its own mean and width with it."""
    return key in changes or (key.startswith("noise.") and any(change.startswith("noise.") for change in changes))


def _deciding(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide a number of the run, of those of an identity."""
    free = marked(Mark.FREE) - {"base"}  # an identity has its weights there
    idle = {key for key, (other, value) in _DECIDES_ONLY_IF.items() if values.get(other) != value}
    return {
        key: value
        for key, value in values.items()
        if key not in idle and not any(key == name or key.startswith(f"{name}.") for name in free)
    }


def _default(key: str, value: Any) -> Any:
    """A setting's value in runs that were begun before it was one: its default."""
    section, _, name = key.rpartition(".")
    model = TrainConfig if not section else TrainConfig.model_fields[section].annotation
    field = getattr(model, "model_fields", {}).get(name)
    return value if field is None or field.is_required() or key == _COUNTED else field.default


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
