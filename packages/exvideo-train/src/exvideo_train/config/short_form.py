"""Settings under the names of the short form, in which a model is shaped from scratch: made those of `TrainConfig`.

model: {hidden_dim, num_layers, num_frames, dropout}, training: {learning_rate, weight_decay, batch_size, num_epochs},
data: {train_path, val_path}, distributed: {enabled, backend}, deepspeed: {config_path}: a JSON file of DeepSpeed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from exvideo_train.config.optimizer import ZERO_KEYS
from exvideo_train.errors import UserError

# A name that ends with a dot stands for all that begins with it.
NAMES = {
    "model.num_frames": "extension.num_frames",
    "training.num_epochs": "optimizer.epochs",
    "training.": "optimizer.",
    "data.train_path": "data.videos",
    "data.val_path": "validation.videos",
}
# Keys of DeepSpeed's JSON that are settings of ours.
DEEPSPEED_NAMES = {
    "train_batch_size": "optimizer.batch_size",
    "train_micro_batch_size_per_gpu": "optimizer.micro_batch_size",
    "gradient_clipping": "optimizer.max_grad_norm",
    "zero_optimization.stage": "engine.zero_stage",
    "optimizer.params.lr": "optimizer.learning_rate",
    "optimizer.params.weight_decay": "optimizer.weight_decay",
}
_PRECISION, _ZERO = "engine.precision", "deepspeed.zero_optimization."
_IDLE_KEYS = {"steps_per_print", "wall_clock_breakdown"}  # of DeepSpeed's own printing, which is off


class Written:
    """Settings by their dotted key, and the place that each was written at.

    Args:
        values: of a YAML file, or of a command line as {"section.key": value}.
        place: of them, for a person: the path of the file.
    """

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self.values: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.places: dict[str, str] = {}
        for key, value in _leaves(values).items():
            self._put(_own_name(key), value, key, place)

    def _put(self, key: str, value: Any, name: str, place: str) -> None:
        if key in self.values:
            raise UserError(f"{place}: {self.names[key]} and {name} are names of one setting: leave one out.")
        self.values[key], self.names[key], self.places[key] = value, name, place

    def override(self, other: "Written") -> None:
        """Puts the other's settings in place of these."""
        for key in other.values:
            for old in [old for old in self.values if f"{old}.".startswith(f"{key}.") or key.startswith(f"{old}.")]:
                del self.values[old]
            self.values[key], self.names[key], self.places[key] = (
                other.values[key],
                other.names[key],
                other.places[key],
            )

    def add_deepspeed(self, folder: Path) -> None:
        """Reads the JSON of `deepspeed.config_path`, if there is one, for settings that stand nowhere else.

        Args:
            folder: of the YAML file. A path is looked for from the current folder, from that one, and by its name
                there.

        Raises:
            UserError: the file is missing or no JSON, has a key that is no setting here, or one that contradicts ours.
        """
        given = self.values.get("deepspeed.config_path")
        if not isinstance(given, str):
            return
        path = _find(Path(given).expanduser(), folder)
        zero, precisions = {}, {}
        for key, value in _leaves(_read_json(path)).items():
            name = _own_deepspeed_name(key, value, path)
            if name is None or value == "auto":
                continue
            if name.startswith(_ZERO):
                zero[name.removeprefix(_ZERO)] = value
            elif name == _PRECISION:
                precisions[key.partition(".")[0]] = bool(value)
            else:
                self._agree(name, value, key, path)
        on = [precision for precision, enabled in precisions.items() if enabled]
        if on:
            self._agree(_PRECISION, on[0], f"{on[0]}.enabled", path)
        elif precisions and self.values.get(_PRECISION) in (None, *precisions):  # what DeepSpeed runs in then
            self._agree(_PRECISION, "fp32", " and ".join(f"{name}.enabled=false" for name in precisions), path)
        self.values[_ZERO.rstrip(".")] = zero

    def _agree(self, name: str, value: Any, key: str, path: Path) -> None:
        if name not in self.values:
            self._put(name, value, key, str(path))
        elif not _equal(self.values[name], value):
            raise UserError(
                f"{path}: {key} is {value!r}, and {self.names[name]} of {self.places[name]} is "
                f"{self.values[name]!r}: give both the same value, or leave one out."
            )

    def nested(self) -> dict[str, Any]:
        """The settings as `TrainConfig` takes them."""
        nested: dict[str, Any] = {}
        for key, value in self.values.items():
            *sections, name = key.split(".")
            inner = nested
            for section in sections:
                inner = inner.setdefault(section, {})
                if not isinstance(inner, dict):
                    break
            else:
                inner[name] = value
        return nested

    def name_of(self, key: str) -> str:
        """The name that a setting was written under; its own if it was not."""
        if key in self.names:
            return self.names[key]
        return next((f"{key} ({alias})" for alias, name in NAMES.items() if name == key and self.is_short), key)

    @property
    def is_short(self) -> bool:
        """True if a name of the short form stands there."""
        return any(name != key for key, name in self.names.items())


def with_short_form(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema of `TrainConfig` that takes the names of the short form, too."""
    definitions, sections = schema["$defs"], schema["properties"]

    def section(name: str) -> dict[str, Any]:
        found = sections[name]
        reference = found.get("$ref") or next(choice["$ref"] for choice in found["anyOf"] if "$ref" in choice)
        return cast(dict[str, Any], definitions[reference.rpartition("/")[2]])

    for alias, key in NAMES.items():
        (name, _, inner), (own_name, _, own_inner) = alias.partition("."), key.partition(".")
        sections.setdefault(name, {"type": "object", "properties": {}, "additionalProperties": False})
        taken = sections[name]["properties"] if "properties" in sections[name] else section(name)["properties"]
        own = section(own_name)["properties"]
        taken |= {inner: own[own_inner]} if inner else own
    # One of two names is required, or a value that the file's name gives: that is checked when the file is read.
    for taken in (schema, *definitions.values()):
        taken.pop("required", None)
    return schema


def _own_name(key: str) -> str:
    for alias, name in NAMES.items():
        if key == alias:
            return name
        if alias.endswith(".") and key.startswith(alias):
            return name + key.removeprefix(alias)
    return key


def _own_deepspeed_name(key: str, value: Any, path: Path) -> str | None:
    """The setting that a key of DeepSpeed's is; None for one that says nothing here."""
    section, _, name = key.rpartition(".")
    if key in DEEPSPEED_NAMES:
        return DEEPSPEED_NAMES[key]
    if key in _IDLE_KEYS or (key == "optimizer.type" and value in ("Adam", "AdamW")):
        return None
    if key in ("bf16.enabled", "fp16.enabled"):
        return _PRECISION
    if section == "zero_optimization" and name in ZERO_KEYS:
        return f"{_ZERO}{name}"
    raise UserError(
        f"{path}: {key} is {value!r}, which exvideo-train does not take from DeepSpeed's file: remove it, and see "
        "exvideo-train --print-schema for its own settings."
    )


def _find(given: Path, folder: Path) -> Path:
    places = [given, folder / given, folder / given.name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = ", ".join(dict.fromkeys(map(str, places)))
        raise UserError(
            f"deepspeed.config_path: {given} does not exist (looked for at {looked}): give a JSON file of DeepSpeed's "
            "settings, such as configs/deepspeed_config.json."
        )
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"deepspeed.config_path: {path} cannot be read ({error}): mend the file.") from error
    if not isinstance(values, dict):
        raise UserError(f"deepspeed.config_path: {path} holds no object: give DeepSpeed's settings by name.")
    return values


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(float(one) == float(other))
    except (TypeError, ValueError):
        return bool(one == other)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{key}.")
        else:
            found[key] = value
    return found
