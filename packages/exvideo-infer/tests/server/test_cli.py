import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from exvideo_infer import read_metadata
from exvideo_infer.server.cli import main
from exvideo_infer.serving import bind, check_token

pytest.importorskip("uvicorn")  # of the extra `server`


def test_other_machines_need_a_token(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXVIDEO_TOKEN", raising=False)
    for host in ("0.0.0.0", "::", "192.168.0.7", "box.example"):
        assert main(["--host", host, "--base", "absent"]) == 2
        assert "there is no token: set EXVIDEO_TOKEN or give --token" in capsys.readouterr().err
    for host in ("127.0.0.1", "::1", "localhost"):
        assert check_token(host, None) is None
    assert check_token("0.0.0.0", " x\n") == "x"
    with pytest.raises(ValueError, match="The token is empty"):
        check_token("127.0.0.1", " ")


def test_bad_options_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["-o", str(tmp_path / "file")]) == 2
    assert "is a file: give a folder" in capsys.readouterr().err
    with bind("127.0.0.1", 0) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be had" in capsys.readouterr().err
    for option in ("--port=99999", "--max-queue=0", "--max-frames=x"):
        with pytest.raises(SystemExit, match="2"):
            main([option])


def ask(url: str, body: dict[str, Any] | None = None, verb: str | None = None) -> tuple[int, bytes]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def server(text_base_dir: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    arguments = ["--base", str(text_base_dir), "--port", "0", "-o", str(tmp_path / "clips"), "--device", "cpu"]
    command = [sys.executable, "-c", "import sys; from exvideo_infer.server.cli import main; sys.exit(main())"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore Ctrl-C
    environment = {name: value for name, value in os.environ.items() if name != "EXVIDEO_TOKEN"}
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, preexec_fn=heed, env=environment
    ) as process:
        yield process
        process.kill()


@pytest.mark.long
def test_the_command_serves_a_clip_and_ends_by_ctrl_c(
    server: "subprocess.Popen[str]", text_base_dir: Path, tmp_path: Path
) -> None:
    assert server.stdout is not None
    url = server.stdout.readline().split()[2].rstrip(",")
    order = {"prompt": "a red circle", "height": 16, "width": 16, "steps": 2, "num_frames": 2}
    code, said = ask(url, order)
    assert code == 202
    name = json.loads(said)["id"]
    while json.loads(ask(f"{url}/{name}")[1])["status"] in ("queued", "running"):
        time.sleep(0.1)
    code, content = ask(f"{url}/{name}/content")
    assert (code, content) == (200, (tmp_path / "clips" / f"{name}.mp4").read_bytes())
    record = read_metadata(tmp_path / "clips" / f"{name}.mp4")
    assert record["settings"]["prompt"] == "a red circle"
    assert str(text_base_dir.parent) not in json.dumps(record)  # no folder of the server's
    assert ask(url, {**order, "height": 18})[0] == 422
    assert ask(url, {**order, "steps": 100, "num_frames": 8})[0] == 202  # ends within a step
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 130
