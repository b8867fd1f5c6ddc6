"""Lines that nobody reads any more are lost, and nothing else."""

import errno
import io
import os
import sys

import pytest
from exvideo_infer.streams import Outliving, outliving_readers


def test_what_is_written_arrives_at_the_end_of_its_line() -> None:
    raw = io.BytesIO()
    stream = Outliving(io.TextIOWrapper(raw, encoding="utf-8"))
    assert stream.write("a step\n") == 7
    assert raw.getvalue() == b"a step\n"
    assert stream.encoding == "utf-8"


def test_a_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "w", buffering=1)
    with pytest.raises(BrokenPipeError):
        print("a step", file=pipe)
    stream = Outliving(pipe)
    assert stream.write("a step\n") == 7
    stream.flush()
    assert stream.lost is None  # nobody was there to read it
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_a_full_disk_of_the_log_is_no_error() -> None:
    log = open("/dev/full", "w", buffering=1)  # noqa: SIM115
    with pytest.raises(OSError, match="No space"):
        print("a step", file=log)
    stream = Outliving(log)
    assert stream.write("a step\n") == 7
    assert stream.lost is not None
    assert stream.lost.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        log.close()


def test_both_streams_are_such_for_a_while() -> None:
    before = sys.stdout, sys.stderr
    with outliving_readers() as told:
        assert sys.stdout is told
        assert isinstance(sys.stdout, Outliving)
        assert isinstance(sys.stderr, Outliving)
    assert (sys.stdout, sys.stderr) == before
