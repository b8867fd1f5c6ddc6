"""exvideo-train --sync sends what is left, trains nothing, and says what it cannot send."""

import json
import subprocess
import sys

import pytest
from exvideo_train.cli import main
from exvideo_train.tracking import Tracker

from .runs import Run, finished, free_port


def test_sync_sends_what_is_left_and_says_what_it_cannot(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--config", str(run.yaml), "--sync"]
    config = run.config()
    assert main(command) == 2
    assert "metrics.jsonl does not exist: there is nothing to send" in capsys.readouterr().err
    tracker = Tracker(config, 0)
    assert main(command) == 2
    assert "goes on, and sends its figures itself" in capsys.readouterr().err
    finished(run, tracker, range(1, 21))
    path = run.output / "mlflow_run.json"
    items = [[*item[:3], False] for item in run.note["items"]]
    path.write_text(json.dumps(run.note | {"run_id": None, "token": "another", "sent": 0, "items": items}))
    before = (run.output / "metrics.jsonl").read_bytes()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("Sent 22 records, 4 tags and files to MLflow at ")
    assert run.assert_all_arrived_once(run.own_client).info.status == "FINISHED"
    assert (run.output / "metrics.jsonl").read_bytes() == before
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("Sent 0 records, 0 tags and files to MLflow at ")


def test_sync_trains_nothing_and_says_in_one_line_that_the_server_is_away(run: Run) -> None:
    run.config(uri=f"http://127.0.0.1:{free_port()}")
    (run.output / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    script = (
        "import sys; from exvideo_train.cli import main; status = main(sys.argv[1:]); "
        "print(status, [name for name in ('torch', 'deepspeed') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, "--config", str(run.yaml), "--sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("try again later.\n")
