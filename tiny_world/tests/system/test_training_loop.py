import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tiny_world.system.training_loop import Schedule, averaged_weights, generators, keyed_seed, train
from tiny_world.system.unpack import write_finished_run

SCHEDULE = Schedule(steps=6, batch_size=4, learning_rate=0.1, warmup_steps=2, checkpoint_every=3, log_every=2)


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def run(folder: Path, steps: int = 6, until: int | None = None) -> nn.Linear:
    """A run of `steps`, cut off by an error before step `until`."""
    model = network()

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        if step == until:
            raise KeyboardInterrupt
        x = torch.randn(4 // parts, 3, generator=generators(0, "test", step, part)[1])

        def loss() -> Tensor:
            return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()

        return loss

    train(model, part_of_step, replace(SCHEDULE, steps=steps), folder)
    return model


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", until=5)
    resumed = run(tmp_path / "cut")
    assert torch.equal(whole.weight, resumed.weight)
    lines = [json.loads(line) for line in (tmp_path / "cut" / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]


def test_what_is_left_in_the_network_is_the_average_and_not_the_last_weights(tmp_path: Path) -> None:
    model = run(tmp_path)
    average, step = averaged_weights(tmp_path)
    assert step == 6
    assert torch.equal(model.weight, average["weight"])
    assert not torch.equal(model.weight, network().weight)


def test_in_half_precision_the_kept_weights_are_not_rounded(tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, half=True)
    model = network()

    def part_of_step(step: int, part: int, parts: int) -> Callable[[], Tensor]:
        assert model.weight.dtype == torch.bfloat16
        x = torch.randn(4 // parts, 3, generator=generators(0, "test", step, part)[1]).bfloat16()
        return lambda: (model(x) - 1).float().square().mean()

    train(model, part_of_step, schedule, tmp_path)
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, model.weight.bfloat16().float())


def test_a_run_made_of_shipped_weights_is_finished_and_can_be_longer(tmp_path: Path) -> None:
    shipped = network()
    with torch.no_grad():
        shipped.weight.fill_(0.5)
    write_finished_run(tmp_path, shipped, SCHEDULE.steps)
    assert torch.equal(run(tmp_path, until=6).weight, shipped.weight)
    assert not torch.equal(run(tmp_path, steps=12).weight, shipped.weight)


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert torch.equal(run(tmp_path, until=6).weight, first.weight)


def test_the_rate_warms_up_and_ends_near_zero() -> None:
    assert SCHEDULE.rate(0) < SCHEDULE.rate(1)
    assert SCHEDULE.rate(5) < 0.1 * SCHEDULE.rate(1)


def test_seeds_differ_by_every_part_of_their_key() -> None:
    keys: list[tuple[Any, ...]] = [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a", 1, 0)]
    assert len({keyed_seed(*key) for key in keys}) == len(keys)
