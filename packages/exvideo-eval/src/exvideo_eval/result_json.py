"""From parsed JSON to `Result`, strictly: every field there, none unknown, each of its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from exvideo_eval.results import SCHEMA, Curve, Data, Interval, Metric, Result, Skipped

_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "Mapping": "an object", "tuple": "a list"}


def result_from_json(content: Any) -> Result:
    """A result from the object that its JSON file holds.

    Raises:
        ValueError: one sentence that says which field is wrong, and how.
    """
    if not isinstance(content, dict) or "schema" not in content:
        raise ValueError("it has no 'schema' field.")
    if content["schema"] != SCHEMA:
        raise ValueError(f"its schema is {content['schema']!r}, and only {SCHEMA!r} is known: update exvideo-eval.")
    values = _checked(Result, content, "the result")
    values["data"] = tuple(Data(**_checked(Data, item, "data")) for item in values["data"])
    values["metrics"] = tuple(_metric(item) for item in values["metrics"])
    values["curves"] = tuple(_curve(item) for item in values["curves"])
    values["skipped"] = tuple(Skipped(**_checked(Skipped, item, "skipped")) for item in values["skipped"])
    values["notes"] = tuple(_texts(values["notes"], "notes"))
    _texts(list(values["software"].values()), "software")
    return Result(**values)


def _metric(item: Any) -> Metric:
    values = _checked(Metric, item, "metrics")
    if values["interval"] is not None:
        values["interval"] = Interval(**_checked(Interval, values["interval"], f"interval of {values['name']!r}"))
    return Metric(**values)


def _curve(item: Any) -> Curve:
    values = _checked(Curve, item, "curves")
    for axis in ("x", "y"):
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values[axis]):
            raise ValueError(f"curve {values['name']!r} holds something in {axis!r} that is not a number.")
    return Curve(**values)


def _texts(items: list[Any], where: str) -> list[str]:
    for item in items:
        if not isinstance(item, str):
            raise ValueError(f"{where!r} holds {item!r}, which is not text.")
    return items


def _checked(kind: type, item: Any, where: str) -> dict[str, Any]:
    """The item's fields, if they are exactly those of the dataclass and each has the annotated type."""
    if not isinstance(item, dict):
        raise ValueError(f"{where!r} holds {item!r}, which is not an object.")
    annotations = {field.name: str(field.type) for field in fields(kind)}
    missing, unknown = sorted(annotations.keys() - item.keys()), sorted(item.keys() - annotations.keys())
    if missing:
        raise ValueError(f"{where} lacks the field {missing[0]!r}.")
    if unknown:
        raise ValueError(f"{where} has the unknown field {unknown[0]!r}.")
    return {name: _typed(item[name], annotation, f"{where}: {name!r}") for name, annotation in annotations.items()}


def _typed(value: Any, annotation: str, where: str) -> Any:
    """The value as the annotation says ("str", "int | None", "tuple[Data, ...]", "Interval | None", ...)."""
    base, _, optional = annotation.partition(" | ")
    base = base.partition("[")[0]
    if value is None and optional == "None":
        return None
    if base in ("int", "float") and isinstance(value, bool):
        raise ValueError(f"{where} is {value!r}, not {_KINDS[base]}.")
    python: Any = {"str": str, "int": int, "float": int | float, "Mapping": Mapping, "tuple": list}.get(base, object)
    if not isinstance(value, python):
        raise ValueError(f"{where} is {value!r}, not {_KINDS[base]}.")
    return float(value) if base == "float" else value
