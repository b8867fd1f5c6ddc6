"""The state of a run beside its weights."""

from exvideo_train.state import TrainState


def test_losses_of_steps_add_up() -> None:
    state = TrainState()
    state.add_losses([1.0, 2.0])
    state.add_losses([0.5, 4.0])
    assert state.losses == [1.5, 6.0]


def test_states_share_nothing() -> None:
    one, other = TrainState(), TrainState()
    one.add_losses([1.0])
    one.history.append({"step": 0, "changes": {"seed": [0, 1]}})
    assert (other.losses, other.history, other.validated) == ([], [], -1)


def test_changes_of_this_very_step_are_known_the_last_of_a_key_last() -> None:
    state = TrainState(step=4)
    state.history = [
        {"step": 2, "changes": {"seed": [0, 1]}},
        {"step": 4, "changes": {"optimizer.learning_rate": [1e-5, 1e-6], "seed": [1, 2]}},
        {"step": 4, "changes": {"seed": [2, 3]}},
    ]
    assert state.changed_here() == {"optimizer.learning_rate": [1e-5, 1e-6], "seed": [2, 3]}
    state.step = 5
    assert state.changed_here() == {}
