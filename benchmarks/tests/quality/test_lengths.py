"""Curves against length."""

from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.quality.lengths import CURVES, crossing, crossovers, curves, draw, lengths_of


def settings() -> dict[str, Any]:
    errors = {16: {"direct": 2.0, "rife": 1.0, "exvideo": 2.0}, 40: {"direct": 9.0, "rife": 2.0, "exvideo": 3.0}}
    errors |= {80: {"direct": 16.0, "rife": 8.0, "exvideo": 4.0}}
    return {
        f"validate/{frames}": {
            "protocol": {
                "base": "embedded",
                "num_frames": frames,
                "regime": f"{frames}",
                "split": "validate",
                "clips": 28,
            },
            "methods": {
                name: {"title": name.upper(), "figures": {"displacement error": {"value": error}}}
                for name, error in of.items()
            },
        }
        for frames, of in errors.items()
    }


def test_curves_are_of_one_split_and_sorted() -> None:
    other = settings()["validate/16"]
    known = settings() | {"test/40": other | {"protocol": other["protocol"] | {"split": "test"}}}
    assert curves(known, "validate")["rife"] == {16: 1.0, 40: 2.0, 80: 8.0}
    assert (lengths_of(known, "validate"), lengths_of(known, "test")) == (3, 1)


def test_of_two_settings_of_one_length_the_one_of_more_clips_is_shown() -> None:
    few = settings()["validate/16"]
    more = {"protocol": few["protocol"] | {"clips": 98}, "methods": few["methods"] | {"rife": few["methods"]["direct"]}}
    for known in ({"few": few, "more": more}, {"more": more, "few": few}):
        assert curves(known, "validate")["rife"] == {16: 2.0}


def test_methods_of_one_length_are_of_the_same_clips() -> None:
    many = settings()["validate/16"]
    few = {"protocol": many["protocol"] | {"clips": 98}, "methods": {"direct": many["methods"]["rife"]}}
    for known in ({"few": few, "many": many}, {"many": many, "few": few}):
        assert {name: curve[16] for name, curve in curves(known, "validate").items()} == {
            "direct": 2.0,
            "rife": 1.0,
            "exvideo": 2.0,
        }


def test_rows_post_tuned_for_their_lengths_are_one_curve() -> None:
    known = settings()
    for curve, rows in CURVES.items():
        for frames, name in ((40, curve), (80, rows[0])):
            told = {"title": "ExVideo, `full`", "figures": {"displacement error": {"value": frames / 10}}}
            known[f"validate/{frames}"]["methods"][name] = told
        assert {frames: curves(known, "validate")[curve][frames] for frames in (40, 80)} == {40: 4.0, 80: 8.0}
        assert rows[0] not in curves(known, "validate")
    assert "| ExVideo, `full`, post-tuned for the length |  | 4.00 | 8.00 |" in crossovers(known, "validate")


def test_the_crossing_is_where_the_ratio_is_one_between_two_lengths() -> None:
    known = curves(settings(), "validate")
    at = crossing(known["exvideo"], known["rife"])
    assert at is not None
    assert at == 60  # halfway from 3 / 2 at 40 frames to 1 / 2 at 80
    assert crossing(known["direct"], known["rife"]) is None
    assert crossing({16: 1.0}, {40: 1.0}) is None


def test_the_table_and_the_picture_mark_it(tmp_path: Path) -> None:
    table = crossovers(settings(), "validate")
    assert "| ExVideo, shipped extension, clip after clip beyond its length | 2.00 | 3.00 | 4.00 | 60 frames |" in table
    assert "| DIRECT | 2.00 | 9.00 | 16.00 |  |" in table
    draw(tmp_path / "lengths.png", settings(), "validate")
    assert Image.open(tmp_path / "lengths.png").size > (400, 300)
