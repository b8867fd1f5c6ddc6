"""Each figure is there once, however often a run is resumed."""

import json
from typing import Any

import pytest
from exvideo_train.tracking import Tracker
from mlflow import MlflowClient

from .runs import Run, finished, told


@pytest.mark.parametrize("every", [10, 2])
def test_figures_that_come_again_after_a_resume_are_not_sent_again_and_new_ones_are(run: Run, every: int) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(38), "FAILED")
    finished(run, Tracker(config, 25), range(26, 61), every=every)
    assert [step for step, _, _ in run.expected()["loss"]] == list(range(61))
    found = run.assert_all_arrived_once(run.own_client, same_times=False)
    assert found.info.status == "FINISHED"


def test_from_step_0_no_line_stays(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(3), "KILLED")
    finished(run, Tracker(config, 0), range(5))
    assert [step for step, _, _ in run.expected()["validation/loss"]] == [0]
    run.assert_all_arrived_once(run.own_client, same_times=False)


def test_figures_that_the_server_has_without_the_note_saying_so_are_not_sent_again(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 31))
    path = run.output / "mlflow_run.json"
    path.write_text(json.dumps(run.note | {"sent": 5}))  # killed between the request and the note of it
    lines = (run.output / "metrics.jsonl").read_text()
    (run.output / "metrics.jsonl").write_text(lines + '{"step": 31, "lo')
    finished(run, Tracker(config, 20), range(21, 36))
    run.assert_all_arrived_once(run.own_client, same_times=False)


def test_a_run_that_was_made_without_an_answer_is_found_again(run: Run) -> None:
    config = run.config()
    finished(run, Tracker(config, 0), range(1, 6))
    made = run.note["run_id"]
    (run.output / "mlflow_run.json").write_text(json.dumps(run.note | {"run_id": None, "sent": 0}))
    (run.output / "metrics.jsonl").unlink()
    finished(run, Tracker(config, 0), range(0))
    assert run.note["run_id"] == made


def test_a_batch_that_fails_after_it_came_through_is_not_sent_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = MlflowClient.log_batch
    failures = iter([True, True])
    arrived: list[tuple[str, int]] = []

    def log_batch(self: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> None:
        real(self, run_id, metrics, **others)
        arrived.extend((metric.key, metric.step) for metric in metrics)
        if metrics and next(failures, False):
            raise ConnectionError("no answer")

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    finished(run, Tracker(run.config(), 0), range(1, 31))
    run.assert_all_arrived_once(run.own_client)
    assert len(arrived) == len(set(arrived)) == 63
    assert ["again; all that waited" in line for line in told(capsys)] == [False, True]
