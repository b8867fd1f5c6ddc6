"""Errors of a run and the exit status of each."""

import pytest
from exvideo_train.errors import (
    STOPPED,
    OtherProcessError,
    OutputError,
    TrainingDivergedError,
    TrainingStoppedError,
    UserError,
    exit_status,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("x"), 2),
        (OutputError("x"), 1),
        (TrainingDivergedError("x", {}), 1),
        (TrainingStoppedError("x"), STOPPED),
        (OtherProcessError("x", 2), 2),
        (OtherProcessError("x", STOPPED), STOPPED),
        (ZeroDivisionError(), 1),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    assert exit_status(error) == status


def test_a_divergence_tells_the_commands_to_go_on_with() -> None:
    error = TrainingDivergedError("not finite", {"optimizer.learning_rate=1e-6": "half the rate", "seed=1": "others"})
    assert error.commands("exvideo-train --config x.yaml").splitlines() == [
        "To go on from the start, with one or more of:",
        "  exvideo-train --config x.yaml --change optimizer.learning_rate=1e-6    # half the rate",
        "  exvideo-train --config x.yaml --change seed=1    # others",
    ]
    error.saved = 250
    assert error.commands("x").startswith("To go on from the checkpoint of step 250,")
