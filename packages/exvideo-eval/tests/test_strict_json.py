"""Dataclasses from parsed JSON: what is missing, unknown or of another type is named by its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from exvideo_eval.strict_json import DEEPEST, ReadsJson, parsed


@dataclass(frozen=True)
class Inner(ReadsJson):
    """One that lies in another."""

    count: int


@dataclass(frozen=True)
class Outer(ReadsJson):
    """One of every kind of field."""

    name: str
    value: float
    several: tuple[Inner, ...]
    by_name: Mapping[str, float]
    perhaps: Inner | None
    anything: Any


GOOD: dict[str, Any] = {
    "name": "a", "value": 1, "several": [{"count": 2}], "by_name": {"x": 1.5}, "perhaps": None, "anything": [None],
}  # fmt: skip


def test_every_kind_of_field_is_read() -> None:
    read = Outer.from_json(GOOD, "file")
    assert read == Outer("a", 1.0, (Inner(2),), {"x": 1.5}, None, [None])
    assert type(read.value) is float
    assert Outer.from_json(GOOD | {"perhaps": {"count": 3}}, "file").perhaps == Inner(3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": 5}, "file.name is 5, not text"),
        ({"value": True}, "file.value is True, not a number"),
        ({"value": None}, "file.value is None, not a number"),
        ({"value": 10**400}, r"file.value is 10+\.\.\.0+, and no number may be above 1.8e308"),
        ({"by_name": {"x": -(10**400)}}, r"file.by_name.x is -10+\.\.\.0+, and no number"),
        ({"name": [[[[[[[[[]]]]]]]]]}, r"file.name is .*\.\.\..*, not text"),
        ({"several": {"count": 2}}, r"file.several is \{'count': 2\}, not a list"),
        ({"several": [{"count": 2}, {"count": 2.5}]}, r"file.several\[1\].count is 2.5, not a whole number"),
        ({"by_name": {"x": "y"}}, "file.by_name.x is 'y', not a number"),
        ({"perhaps": {}}, "file.perhaps lacks the field 'count'"),
        ({"more": 1}, "file has the unknown field 'more'"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Outer.from_json(GOOD | changes, "file")


@pytest.mark.parametrize("ends", ["[]", ('{"a":', "}")])
@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 100_000])
def test_what_is_nested_too_deep_to_be_gone_through_is_refused(ends: Sequence[str], depth: int) -> None:
    begins, closes = ends
    with pytest.raises(ValueError, match="more than 50 deep within each other"):
        parsed(begins * depth + "1" + closes * depth)
    parsed(begins * DEEPEST + "1" + closes * DEEPEST)


def test_a_list_is_no_object() -> None:
    with pytest.raises(ValueError, match=r"file is \[\], not an object"):
        Outer.from_json([], "file")
