"""The configuration of an extension refuses, when it is made, what no model could be extended by."""

from typing import Any

import pytest
from exvideo_blocks import FRAME_RATES, LEVELS, STARTS, ExtensionConfig


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_frames": 1}, "num_frames=1 must be a whole number of at least 2 frames"),
        ({"num_frames": 40.0}, "num_frames=40.0 must be a whole number"),
        ({"num_frames": True}, "num_frames=True must be a whole number"),
        ({"lora_rank": 0}, "lora_rank=0 must be a whole number of at least 1"),
        ({"base_frames": 1}, "base_frames=1 must be a whole number of at least 2 frames"),
        ({"level": "half"}, f"level='half' is unknown: choose one of {', '.join(LEVELS)}"),
        ({"positions": "wrapped"}, f"positions='wrapped' is unknown: choose one of {', '.join(STARTS)}"),
        ({"frame_rate": "half"}, f"frame_rate='half' is unknown: choose one of {', '.join(FRAME_RATES)}"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ExtensionConfig(**({"num_frames": 40} | changes))


def test_the_defaults_are_the_published_method() -> None:
    config = ExtensionConfig(num_frames=128)
    assert (config.level, config.positions, config.base_frames) == ("full", "reflected", None)
    assert config.frame_rate == "own"
