"""Reads results of the schema `exvideo.result/1`, in which a metric's name told its quantity, statistic and set."""

from typing import Any

SCHEMA_1 = "exvideo.result/1"
_REAL = ", real clips"
_STATISTICS = (", ratio to real", ", mismatch to real", ", last quarter over first")


def upgraded(content: dict[str, Any], schema: str) -> dict[str, Any]:
    """The parsed JSON of a result of schema 1 as one of `schema`; names and numbers are as they were.

    What is wrong with it stays wrong, for the reader of `schema` to refuse.
    """
    metrics, data = content.get("metrics"), content.get("data")
    return {
        **content,
        "schema": schema,
        "clip_values": [],
        "metrics": [_metric(item) for item in metrics] if isinstance(metrics, list) else metrics,
        "data": [_with(item, media=None) for item in data] if isinstance(data, list) else data,
    }


def _metric(item: Any) -> Any:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str):
        return item
    plain, of = (name.removesuffix(_REAL), "real") if name.endswith(_REAL) else (name, "")
    plain, less, reference = plain.partition(", less that of ")
    contrast = f"difference to {reference}" if less else ""
    ending = next((ending for ending in _STATISTICS if plain.endswith(ending)), "")
    quantity, statistic = plain.removesuffix(ending), ending.removeprefix(", ") or "value"
    return _with(item, quantity=quantity, statistic=statistic, of=of, contrast=contrast, significance=None)


def _with(item: Any, **fields: Any) -> Any:
    """An object with these fields of the new schema; what is no object, or has such a field already, as it is."""
    return {**fields, **item} if isinstance(item, dict) and not fields.keys() & item.keys() else item
