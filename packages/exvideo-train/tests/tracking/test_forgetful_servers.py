"""Servers that have lost a run, an experiment or everything get all figures again."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from exvideo_train.tracking import Tracker
from mlflow import MlflowClient

from .runs import PATIENCE, RECORDING, Run, finished, told, until


def forget_run(run: Run) -> None:
    run.own_client.delete_run(run.note["run_id"])


def forget_experiment(run: Run) -> None:
    run.own_client.delete_experiment(run.own_client.get_experiment_by_name("exvideo").experiment_id)


def forget_everything(run: Run) -> None:
    shutil.copy(run.blank, run.output / "mlflow.db")


def damage_note(run: Run) -> None:
    (run.output / "mlflow_run.json").write_text('{"uri": null, "run_id": "')


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (forget_run, "was deleted from MLflow at"),
        (forget_experiment, "was deleted from MLflow at"),
        (forget_everything, "was deleted from MLflow at"),
        (damage_note, "is damaged: tracking begins a new run with all figures."),
    ],
)
def test_a_run_that_is_gone_is_begun_anew_with_all_figures(
    run: Run, capsys: pytest.CaptureFixture[str], forget: Callable[[Run], None], message: str
) -> None:
    config = run.config()
    first = Tracker(config, 0)
    (run.output / "samples").mkdir()
    (run.output / "samples" / "clip.mp4").write_bytes(b"clip")
    first.artifact(run.output / "samples" / "clip.mp4")
    finished(run, first, range(1, 11), "KILLED")
    assert told(capsys) == []
    gone = run.note["run_id"]
    forget(run)
    finished(run, Tracker(config, 10), range(11, 21))
    (line,) = told(capsys)
    assert message in line
    found = run.assert_all_arrived_once(run.own_client)
    assert found.info.run_id != gone
    assert found.data.params["extension.num_frames"] == "10"
    files = {file.path for file in run.own_client.list_artifacts(found.info.run_id)}
    assert files == {"config.yaml", "versions.json"} | (set() if forget is damage_note else {"samples"})
    name = run.own_client.get_experiment(found.info.experiment_id).name
    assert name == ("exvideo-2" if forget is forget_experiment else "exvideo")


def test_an_experiment_that_was_deleted_before_the_run_is_left_as_it_is(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.own_client.create_experiment("exvideo")
    forget_experiment(run)
    finished(run, Tracker(run.config(), 0), range(1, 4))
    (line,) = told(capsys)
    assert line.endswith("this run is in exvideo-2.")
    assert run.own_client.get_experiment_by_name("exvideo").lifecycle_stage == "deleted"
    run.assert_all_arrived_once(run.own_client)


@pytest.mark.long
def test_a_run_and_a_database_that_vanish_are_begun_anew(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 11))
    tracker = Tracker(config, 10)
    run.record(tracker, range(11, 21))
    until(lambda: run.note["sent"] == 22)
    forget_run(run)  # while it goes on
    run.record(tracker, range(21, 31))
    tracker.close(patience=PATIENCE)
    assert sum("was deleted from" in line for line in told(capsys)) == 1
    run.assert_all_arrived_once(run.own_client)
    (run.output / "mlflow.db").unlink()
    finished_by = subprocess.run(
        [sys.executable, "-c", RECORDING.replace("PATIENCE", "200"), str(run.yaml), "30", "40"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "was deleted from" in finished_by.stderr
    assert len(run.expected()["loss"]) == 40
    shutil.copy(run.output / "mlflow.db", run.output / "copy.db")  # this process still has the removed one open
    run.assert_all_arrived_once(MlflowClient(f"sqlite:///{run.output / 'copy.db'}"))


def test_another_server_gets_a_run_of_its_own_with_all_figures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MLflow keeps the files of a database that it is given by its path
    finished(run, Tracker(run.config(), 0), range(1, 11))
    before = run.note["run_id"]
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    shutil.copy(run.blank, tmp_path / "other.db")
    finished(run, Tracker(run.config(uri=uri, experiment="shared"), 10), range(11, 21))
    (line,) = told(capsys)
    assert line.startswith("This run was tracked at mlflow.db in the run's folder: at sqlite:///")
    run.assert_all_arrived_once(MlflowClient(uri))
    assert len(run.own_client.get_metric_history(before, "loss")) == 10


def test_a_note_of_an_earlier_version_is_understood(run: Run) -> None:
    finished(run, Tracker(run.config(), 0), range(1, 11))
    before = run.note["run_id"]
    (run.output / "mlflow_run.json").write_text(json.dumps({"run_id": before}))
    finished(run, Tracker(run.config(), 10), range(11, 21))
    assert run.note["run_id"] == before
    run.assert_all_arrived_once(run.own_client)
