"""The decay of the average of weights."""

import pytest
from exvideo_train.ema import ema_decay


def test_it_rises_to_its_limit_and_stays() -> None:
    decays = [ema_decay(step, 0.98) for step in range(1, 2000)]
    assert decays[0] == 2 / 11
    assert decays == sorted(decays)
    assert decays[-1] == 0.98
    assert ema_decay(440, 0.98) == pytest.approx(0.98)  # (1 + k) / (10 + k)


def test_a_limit_of_0_keeps_the_latest_weights() -> None:
    assert {ema_decay(step, 0.0) for step in (1, 10, 1000)} == {0.0}


def test_an_average_of_few_steps_is_of_them_and_not_of_the_start() -> None:
    average = 0.0
    for step in range(1, 51):
        decay = ema_decay(step, 0.9999)
        average = decay * average + (1 - decay) * 1.0
    assert average > 0.999  # all but a thousandth is of the steps
