"""Processes of a run: how they agree, here one by itself, and errors of a launcher that got something wrong."""

import pytest
import torch
from exvideo_train.config.optimizer import DistributedSection
from exvideo_train.errors import UserError
from exvideo_train.processes import Processes, check_backend, is_of_a_collective


@pytest.fixture
def alone() -> Processes:
    return Processes()


def test_one_process_is_main_and_has_all(alone: Processes) -> None:
    assert (alone.is_main, alone.count, alone.share([1, 2, 3])) == (True, 1, [1, 2, 3])
    assert alone.gather("x") == ["x"]
    assert alone.from_main({"a": 1}) == {"a": 1}
    alone.wait()


def test_a_sum_is_of_fp64_and_leaves_its_value(alone: Processes) -> None:
    value = torch.tensor([0.1, 2.0], requires_grad=True)
    total = alone.sum(value)
    assert (total.dtype, total.requires_grad) == (torch.float64, False)
    assert torch.equal(total, value.detach().double())
    total += 1
    assert value.tolist() == pytest.approx([0.1, 2.0])


def test_an_error_of_the_main_process_is_raised_by_all(alone: Processes) -> None:
    def fail() -> None:
        raise UserError("no")

    assert alone.together(lambda: 5) == 5
    with pytest.raises(UserError, match="no"):
        alone.together(fail)


def test_a_process_that_differs_is_named(alone: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.check_same({"versions": {"torch": "2.13"}})
    monkeypatch.setattr(alone, "gather", lambda value: [value, {"clips": 5, "versions": {"torch": "2.12"}}])
    with pytest.raises(UserError, match=r"Rank 1 differs from rank 0 in its versions \(torch: '2.12', not '2.13'\)"):
        alone.check_same({"clips": 5, "versions": {"torch": "2.13"}})
    with pytest.raises(UserError, match=r"in its clips \(5, not 6\)"):
        alone.check_same({"clips": 6, "versions": {"torch": "2.12"}})


def test_a_launcher_against_the_configuration_is_refused(monkeypatch: pytest.MonkeyPatch, alone: Processes) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match=r"distributed\.enabled is false, and the launcher has started 4 processes"):
        Processes(DistributedSection(enabled=False))


@pytest.mark.skipif(torch.cuda.is_available(), reason="of a machine without a GPU")
def test_nccl_wants_a_gpu() -> None:
    check_backend("gloo")
    check_backend("auto")
    with pytest.raises(UserError, match="nccl needs a GPU"):
        check_backend("nccl")


def test_errors_of_collectives_are_told_from_others() -> None:
    assert is_of_a_collective(torch.distributed.DistError("x"))
    assert is_of_a_collective(RuntimeError("[gloo/transport/tcp] Connection closed by peer"))
    assert not is_of_a_collective(RuntimeError("shapes differ"))
    assert not is_of_a_collective(ValueError("gloo"))
