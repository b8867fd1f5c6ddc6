"""A reader that has gone is no error; a table that could not be written is one."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout

import pytest
from exvideo_eval.streams import Piped, outliving_readers


def test_a_reader_that_is_gone_is_no_error(gone_reader: Callable[[], AbstractContextManager[None]]) -> None:
    with gone_reader():
        with pytest.raises(BrokenPipeError):
            print("a figure")
        with outliving_readers():
            print("a figure")
            sys.stdout.flush()


def test_a_full_disk_is_told() -> None:
    full = open(os.open("/dev/full", os.O_WRONLY), "w", buffering=1)  # noqa: SIM115
    with redirect_stdout(full), outliving_readers(), pytest.raises(OSError, match="No space"):
        print("a figure")
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_everything_else_is_the_stream_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Piped(sys.stdout)
    assert stream.write("a figure\n") == 9
    assert stream.encoding == sys.stdout.encoding
    assert capsys.readouterr().out == "a figure\n"
