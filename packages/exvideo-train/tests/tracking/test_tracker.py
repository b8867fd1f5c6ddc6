"""Status, settings, files, models and figures of the machine: all else that a run says of itself."""

import json
import time

import pytest
import yaml
from exvideo_train.config import TrainConfig
from exvideo_train.errors import UserError
from exvideo_train.tracking import Tracker

from .runs import PATIENCE, Run, finished, told, until


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_has_its_status_settings_and_files(run: Run, status: str) -> None:
    started = time.time()
    tracker = Tracker(run.config(experiment="x" * 500), 0)
    (run.output / "extension.safetensors").write_bytes(b"extension")
    tracker.artifact(run.output / "extension.safetensors")
    tracker.note_changes({"optimizer.steps": (4, 8), "seed": (0, 1)})
    finished(run, tracker, range(1, 4), status)
    found = run.assert_all_arrived_once(run.own_client)
    assert found.info.status == status
    assert started * 1000 < found.info.end_time < time.time() * 1000
    assert found.data.params["data.size"] == "[32, 32]"
    assert found.data.tags["changed.optimizer.steps"] == "step 0: 4 -> 8"
    assert len(found.data.tags["mlflow.source.git.commit"]) == 40
    folder = run.output / "mlartifacts" / found.info.run_id / "artifacts"
    assert TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text())) == run.config(experiment="x" * 500)
    assert {"python", "torch", "exvideo-train"} <= set(json.loads((folder / "versions.json").read_text()))
    assert (folder / "extension.safetensors").read_bytes() == b"extension"


def test_a_resumed_run_is_running_again(run: Run) -> None:
    finished(run, Tracker(run.config(), 0), range(1, 4))
    tracker = Tracker(run.config(), 3)
    tracker.note_changes({"seed": (0, 1)})
    until(lambda: run.own_client.get_run(run.note["run_id"]).info.status == "RUNNING")
    tracker.close(patience=PATIENCE)
    again = Tracker(run.config(), 3)
    again.note_changes({"seed": (1, 2)})
    again.close(patience=PATIENCE)
    tags = run.own_client.get_run(run.note["run_id"]).data.tags
    assert tags["changed.seed"] == "step 3: 0 -> 1; step 3: 1 -> 2"


def test_values_that_are_too_long_are_cut_and_the_whole_is_in_the_files(run: Run) -> None:
    config = run.config()
    config = config.model_copy(update={"base": "b" * 7000})
    finished(run, Tracker(config, 0), range(1, 4))
    found = run.own_client.get_run(run.note["run_id"])
    assert found.data.params["base"] == "b" * 5997 + "..."
    folder = run.output / "mlartifacts" / found.info.run_id / "artifacts"
    assert yaml.safe_load((folder / "config.yaml").read_text())["base"] == "b" * 7000


def test_a_file_that_is_gone_is_named_and_holds_up_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(run.config(), 0)
    tracker.artifact(run.output / "absent.mp4")
    finished(run, tracker, range(1, 4))
    assert told(capsys) == [
        f"{run.output / 'absent.mp4'} was removed before it was sent: it is not among the artifacts of the run."
    ]


def test_a_finished_extension_becomes_the_next_version_of_a_model(run: Run) -> None:
    for steps in (range(1, 4), range(4, 6)):
        tracker = Tracker(run.config(registered_model="long video"), steps[0] - 1)
        (run.output / "extension.safetensors").write_bytes(b"extension")
        tracker.artifact(run.output / "extension.safetensors")
        finished(run, tracker, steps)
    (version,) = run.own_client.search_model_versions("name = 'long video'")
    assert version.run_id == run.note["run_id"]
    assert version.source.endswith(f"{version.run_id}/artifacts/extension.safetensors")


def test_figures_of_the_machine_are_recorded_if_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(run, Tracker(run.config(system_metrics=True), 0), range(1, 4))
    assert [step for step, _, _ in run.expected()["system/cpu_utilization_percentage"]] == [1]
    run.assert_all_arrived_once(run.own_client)
    monkeypatch.setattr("exvideo_train.config.watch.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking.system_metrics: True is refused, it needs the package psutil"):
        run.config(system_metrics=True)
