"""A server's address, its token where others reach it, and its limits."""

import argparse
from pathlib import Path

import pytest
from exvideo_infer.jobs.limits import Limits
from exvideo_infer.options import BAD_INPUT, INTERRUPTED
from exvideo_infer.serving import (
    TOKEN_VARIABLE,
    add_serving_options,
    bind,
    check_folder,
    check_token,
    limits_of,
    serve,
    url_of,
)


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_serving_options(made, 7860)
    return made


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert check_token(host, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_others_do(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=f"--host {host} can be reached from other machines, and there is no token"):
        check_token(host, None)
    assert check_token(host, " secret\n") == "secret"
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")
    assert check_token(host, None) == "of the environment"
    assert check_token(host, "given") == "given"


@pytest.mark.parametrize("token", ["", "  \n"])
def test_an_empty_token_is_none(token: str) -> None:
    with pytest.raises(ValueError, match="The token is empty"):
        check_token("127.0.0.1", token)


def test_a_free_port_is_taken_and_a_taken_one_refused() -> None:
    with bind("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert url_of(listener) == f"http://{host}:{port}"
        with pytest.raises(ValueError, match=f"port {port}, cannot be had"):
            bind("127.0.0.1", port)


def test_limits_are_those_of_the_options(parser: argparse.ArgumentParser) -> None:
    assert limits_of(parser.parse_args([])) == Limits()
    given = parser.parse_args(["--max-pixels", "1", "--max-frames", "2", "--max-steps", "3", "--max-queue", "4"])
    assert limits_of(given) == Limits(1, 2, 3, 4)


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--port", "-1"], ["--max-queue", "0"]])
def test_numbers_that_are_none_are_refused(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(arguments)


def test_clips_go_into_a_folder(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file: give a folder"):
        check_folder(tmp_path / "file")


def test_a_server_ends_with_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(options: argparse.Namespace) -> None:
        raise ValueError("no")

    def interrupted(options: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    assert serve("tool", refuse, argparse.Namespace()) == BAD_INPUT
    assert capsys.readouterr().err == "tool: no\n"
    assert serve("tool", interrupted, argparse.Namespace()) == INTERRUPTED
    assert serve("tool", lambda options: None, argparse.Namespace()) == 0
