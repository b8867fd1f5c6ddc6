"""Bars that are switched off."""

import io

import pytest
from exvideo_train.bar import Bar
from rich.console import Console


@pytest.mark.parametrize(("off", "is_silent"), [(True, True), (False, False)])
def test_one_that_is_off_writes_nothing(off: bool, is_silent: bool) -> None:
    screen = io.StringIO()
    with Bar(console=Console(file=screen), disable=off) as bar:
        bar.add_task("encoding", total=3)
    assert (screen.getvalue() == "") == is_silent
