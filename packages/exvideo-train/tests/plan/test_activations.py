"""Activations that the backward pass computes anew: the same run, in less memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exvideo_train.cli import main

MakeConfig = Callable[..., Path]


@pytest.mark.long
def test_a_run_is_the_same_whatever_is_computed_anew(make_config: MakeConfig, runs: Any) -> None:
    for way in ("all", "temporal", "none"):
        path = make_config(way, **{"engine.gradient_checkpointing": way, "engine.zero_stage": 0})
        assert main(["--config", str(path)]) == 0
    runs.assert_same_end("all", "temporal", 4)
    runs.assert_same_end("all", "none", 4)
