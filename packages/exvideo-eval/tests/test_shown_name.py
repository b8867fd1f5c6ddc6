import os
from pathlib import Path

import pytest
from exvideo_eval.result_parts import Skipped
from exvideo_eval.shown_name import shown_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"clips/c1 (2)|<b>.mp4", "clips/c1 (2)|<b>.mp4"),
        ("café\u3000猫.mp4".encode(), "café\u3000猫.mp4"),
        (b"caf\xe9.mp4", r"caf\xe9.mp4"),
        (b"a\n- b\r\t.mp4", r"a\n- b\r\t.mp4"),
        ("a\u2028b".encode(), r"a\u2028b"),
    ],
)
def test_names_are_one_line_of_text_that_any_file_can_hold(name: bytes, text: str) -> None:
    found = shown_name(Path(os.fsdecode(name)))
    assert found == text
    assert len(found.encode().decode().splitlines()) == 1
    assert Skipped.of(Path(os.fsdecode(name)), "is bad") == Skipped(text, "is bad")
