"""A YAML file and the command line, read and checked whole before anything is loaded or written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exvideo_train.config.keys import Mark
from exvideo_train.config.run import TrainConfig, marked
from exvideo_train.config.short_form import Written, with_short_form
from exvideo_train.config.yaml_keys import DuplicateKeyError, load_yaml
from exvideo_train.errors import UserError

COMMAND_LINE = "command line"


def load_config(path: str | Path, changes: Sequence[str] = (), settings: Sequence[str] = ()) -> TrainConfig:
    """Reads and checks a YAML file.

    Args:
        path: of the file.
        changes: "section.key=value" each, in place of what the file has; the value as YAML has it. These are keys that
            may change in mid-run.
        settings: the same, of any key, as if the file had them.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing, given twice or has a wrong value; one
            sentence that names the file, each key, the value given and the rule.
    """
    written = written_settings(path, changes, settings)
    try:
        return TrainConfig.model_validate(written.nested())
    except ValidationError as error:
        found = [_explain(item, written) for item in error.errors()]
        if "base" not in written.values and "model.hidden_dim" not in written.values:
            found.insert(0, "base is missing")
        raise UserError(f"{path}: {'; '.join(dict.fromkeys(found))}.") from error


def written_settings(path: str | Path, changes: Sequence[str] = (), settings: Sequence[str] = ()) -> Written:
    """The settings of a file and of the command line, not checked further; arguments and errors as `load_config`."""
    written = Written(read_values(path), str(path))
    written.override(Written(parse_settings(settings) | parse_changes(changes), COMMAND_LINE))
    written.add_deepspeed(Path(path).parent)
    written.values.setdefault("output", f"out/{Path(path).stem}")
    return written


def schema() -> str:
    """The JSON schema of the YAML file (draft 2020-12), for editors that complete and check as one types."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "exvideo-train"}
    return json.dumps(about | with_short_form(TrainConfig.model_json_schema()) | {"title": "exvideo-train"}, indent=2)


def read_values(path: str | Path) -> dict[str, Any]:
    """The keys and values of a YAML file, not checked further; raises UserError as `load_config`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"{path} cannot be read ({reason}): give the path of a YAML file.") from error
    try:
        values = load_yaml(text)
    except DuplicateKeyError as error:
        raise UserError(f"{path}: {error}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values such as `base: folder`: configs/quickstart.yaml shows all.")
    return values


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Keys and values of "section.key=value".

    Raises:
        UserError: one is not of that form, or its value is not YAML.
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UserError(f"{setting}: give section.key=value, such as optimizer.steps=100.")
        if key in parsed:
            raise UserError(f"{setting}: {key} is given twice, and one value alone can hold: leave one out.")
        parsed[key] = _value(setting, text)
    return parsed


def parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Keys and values of `--change`.

    Raises:
        UserError: one is no "key=value", or its key may not be changed in mid-run.
    """
    parsed, changeable = {}, marked(Mark.CHANGEABLE)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or key not in changeable:
            raise UserError(
                f"--change {change}: give key=value, with a key that may change in mid-run: "
                f"{', '.join(sorted(changeable))}."
            )
        parsed[key] = _value(f"--change {change}", text)
    return parsed


def _value(given: str, text: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{given}: {text!r} is no value in YAML: give a number or a word.") from error


def _explain(item: Any, written: Written) -> str:
    key = written.name_of(".".join(str(part) for part in item["loc"])) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{key} is not a known key, check its spelling"
    if item["type"] == "missing":
        return f"{key} is missing"
    rule = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], dict):
        return f"{key}: {rule}"
    return f"{key}: {item['input']!r} is refused, {rule[0].lower()}{rule[1:]}"
