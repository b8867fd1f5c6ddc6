from typing import Any

import pytest
from exvideo_infer.jobs.job import Clip, Job

SETTINGS = {"prompt": "a", "seed": 0, "num_frames": 8, "height": 64, "width": 64, "fps": 8.0, "version": "0.1.0"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Neither prompt nor image"),
        ({"prompt": 3}, "prompt is 3: give text"),
        ({"prompt": "\ud800"}, "half of a character"),
        ({"prompt": "a", "seed": 2**64}, "seed is 18446744073709551616: give a whole number from 0"),
        ({"prompt": "a", "seed": True}, "seed is True"),
        ({"prompt": "a", "fps": float("nan")}, "fps is nan: give a number from 1 to 1000"),
        ({"prompt": "a", "num_frames": 8, "seconds": 1.0}, "give one of them"),
        ({"prompt": "a", "name": 3}, "name is 3: give text"),
        *(
            ({"prompt": "a", "name": name}, "give the name of a file without its suffix, of at most 200 bytes")
            for name in ("", "a/b", "..", ".a", "a\\b", " a", "a\n", "a\0", "ä" * 101)
        ),
    ],
)
def test_what_cannot_be_asked_for_is_said(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Job(**values)


def test_seconds_are_rounded_to_frames() -> None:
    assert Job("a", seconds=2.6).frames(8, fps=7) == 18
    assert Job("a", seconds=0.01).frames(8, fps=7) == 1
    assert Job("a", num_frames=5).frames(8, fps=7) == 5
    assert Job("a").frames(8, fps=7) == 8


def test_a_name_is_of_all_that_decides_the_clip() -> None:
    clip = Clip(Job("a"), SETTINGS)
    assert clip.name("model") == Clip(Job("a", num_frames=8), dict(reversed(SETTINGS.items()))).name("model")
    others = {Clip(Job("a"), {**SETTINGS, key: 9}).name("model") for key in SETTINGS} | {clip.name("other")}
    assert len(others | {clip.name("model")}) == len(SETTINGS) + 2


def test_a_file_has_the_name_that_a_job_gives_and_the_clip_is_the_same() -> None:
    named, other = (Clip(Job("a", name=name), SETTINGS) for name in ("über the wall", None))
    assert named.file_name("model") == "über the wall"
    assert other.file_name("model") == other.name("model") == named.name("model")
