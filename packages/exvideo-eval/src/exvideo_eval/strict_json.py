"""Dataclasses from parsed JSON, strictly: every field present, none unknown, each of its annotated type."""

import json
import reprlib
from collections.abc import Mapping, Set
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

_NOUNS = {str: "text", int: "a whole number", float: "a number", tuple: "a list", Mapping: "an object"}
_JSON_TYPES: dict[Any, Any] = {float: int | float, tuple: list, Mapping: dict}
DEEPEST = 50  # lists and objects within each other: what is deeper could not be hashed, compared or shown


def parsed(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or has lists and objects more than `DEEPEST` deep within each other.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _require_shallow(value, DEEPEST)
    return value


class ReadsJson:
    """A dataclass that reads itself from parsed JSON.

    Its fields are of such classes, str, int, float, Any, `X | None`, `tuple[X, ...]` or `Mapping[str, X]`.
    """

    @classmethod
    def from_json(cls, value: Any, place: str) -> Self:
        """The object of a parsed JSON value.

        Args:
            place: of the value in its file, for errors.

        Raises:
            ValueError: one sentence that says at which place the value is wrong, and how.
        """
        hints = get_type_hints(cls)
        _require_fields(hints.keys(), value, place)
        return cls(**{name: _read(hints[name], value[name], f"{place}.{name}") for name in hints})


def _read(hint: Any, value: Any, place: str) -> Any:
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return value
    if kind is UnionType:
        return None if value is None else _read(parts[0], value, place)
    if isinstance(kind, type) and issubclass(kind, ReadsJson):
        return kind.from_json(value, place)
    if not isinstance(value, _JSON_TYPES.get(kind, kind)) or isinstance(value, bool):
        raise ValueError(f"{place} is {reprlib.repr(value)}, not {_NOUNS[kind]}.")
    if kind is tuple:
        return tuple(_read(parts[0], item, f"{place}[{index}]") for index, item in enumerate(value))
    if kind is Mapping:
        return {key: _read(parts[1], item, f"{place}.{key}") for key, item in value.items()}
    try:
        return kind(value)
    except OverflowError:
        raise ValueError(f"{place} is {reprlib.repr(value)}, and no number may be above 1.8e308.") from None


def _require_fields(names: Set[str], value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is {reprlib.repr(value)}, not an object.")
    if missing := sorted(names - value.keys()):
        raise ValueError(f"{place} lacks the field {missing[0]!r}.")
    if unknown := sorted(value.keys() - names):
        raise ValueError(f"{place} has the unknown field {unknown[0]!r}.")


def _require_shallow(value: Any, room: int) -> None:
    if not isinstance(value, list | dict):
        return
    if not room:
        raise _too_deep()
    for part in value.values() if isinstance(value, dict) else value:
        _require_shallow(part, room - 1)


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects are more than {DEEPEST} deep within each other")
