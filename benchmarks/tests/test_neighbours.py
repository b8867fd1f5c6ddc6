"""Every contest of the neighbours' benchmark compares like with like; its floors count what must be moved and done."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from exvideo_eval import Result

from benchmarks.conditions import Conditions
from benchmarks.kernels import contests, neighbours
from benchmarks.kernels.__main__ import MEASUREMENTS, main
from benchmarks.kernels.contenders import Case
from benchmarks.kernels.contests import CONTESTS, EAGER, OURS, Contest
from benchmarks.kernels.neighbours import CASES, measure, random_tensors, runnable

CASE = Case(num_frames=5, positions=6, batch=2, channels=32, num_heads=2)
CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Conditions:
    """One round of ceilings that take no time."""
    monkeypatch.setattr("benchmarks.kernels.ceilings.COPIED_BYTES", {"cpu": 2**16})
    monkeypatch.setattr("benchmarks.kernels.ceilings.MATRIX_SIZE", {"cpu": 16})
    return Conditions("cpu", "fp32", threads=1, rounds=1, warmup=0)


def inputs() -> tuple[contests.Tensors, Case]:
    return random_tensors(CASE, CPU, torch.float32), CASE


def named(name: str) -> Contest:
    return next(contest for contest in CONTESTS if contest.name == name)


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.name)
def test_outputs_and_gradients_agree_in_float64(contest: Contest) -> None:
    tensors = random_tensors(CASE, CPU, torch.float64)
    programs = {n: neighbours.Program(c, tensors, contest.uses, CASE) for n, c in contest.on(CPU).items()}
    expected = programs[EAGER]
    for program in programs.values():
        found = torch.cat(program.forward(), dim=-1)
        torch.testing.assert_close(found, torch.cat(expected.forward(), dim=-1))
        train = program.training()
        for gradients in (train(), train()):  # as often as it is timed
            torch.testing.assert_close(gradients, expected.training()())
        assert len(gradients) == len(contest.uses)


def test_contenders_that_disagree_are_not_timed() -> None:
    contest = named("residual + norm")
    wrong = contest.contenders | {OURS: lambda *case: tuple(1.1 * x for x in contests.residual_and_norm(*case))}
    with pytest.raises(RuntimeError, match="differ by"):
        runnable(replace(contest, contenders=wrong), *inputs())


def test_a_peer_that_cannot_run_is_left_out_and_said() -> None:
    def broken(*_: object) -> tuple[torch.Tensor, ...]:
        raise RuntimeError("no compiler\nat all")

    contest = named("position + norm")
    with_broken = contest.contenders | {"compiled eager": broken}
    running, absent = runnable(replace(contest, contenders=with_broken), *inputs())
    assert running.keys() == {OURS, EAGER}
    assert absent == {"compiled eager": "RuntimeError: no compiler"}


def test_the_floors_count_activations_and_products() -> None:
    case = Case(num_frames=128, positions=4096)
    activation = 128 * 4096 * 320 * 2  # bytes in bf16: 336 MB
    assert named("position + norm").work("forward", case, 2) == (3 * activation, 0)
    tokens = 128 * 4096
    assert named("q, k, v").work("forward", case, 2) == (4 * activation, 2 * tokens * 320 * 3 * 320)
    moved, flops = named("sub-block and next norm").work("forward", case, 2)
    assert moved == 3 * activation
    assert flops == 2 * tokens * 320 * (4 * 320 + 2 * 128)  # four projections, scores and their sums of values
    assert named("q, k, v").work("training", case, 2)[1] == 3 * 2 * tokens * 320 * 3 * 320


def test_it_gives_a_result_that_loads(tmp_path: Path, quick: Conditions) -> None:
    measure(quick, [CASE]).save(tmp_path / "result.json")
    loaded = Result.load(tmp_path / "result.json")
    for contest in CONTESTS:
        for direction in ("forward", "training"):
            what = f"{direction} {contest.name} {CASE.title}"
            ours, floor, reached, eager, ratio = (
                loaded.metric(f"{what}: {metric}")
                for metric in (OURS, "floor", f"floor / {OURS}", EAGER, f"{OURS} / {EAGER}")
            )
            assert ours is not None
            assert floor is not None
            assert reached is not None
            assert eager is not None
            assert ratio is not None
            assert reached.value == pytest.approx(floor.value / ours.value)
            assert ratio.value == pytest.approx(ours.value / eager.value)
            assert (ours.better, eager.better) == ("lower", "neutral")


def test_a_gpu_is_measured_at_every_width() -> None:
    assert {case.channels for case in CASES["cuda"]} == {320, 640, 1280}
    assert all(case.channels == 64 * case.num_heads for case in CASES["cuda"])


def test_the_command_runs_what_is_named_or_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def record(name: str, arguments: Sequence[str]) -> int:
        ran.append((name, arguments))
        return 0

    for name in MEASUREMENTS:
        monkeypatch.setitem(MEASUREMENTS, name, partial(record, name))
    assert main(["--rounds", "3"]) == 0
    assert main(["neighbours", "--rounds", "3"]) == 0
    assert ran == [(name, ["--rounds", "3"]) for name in ("temporal_attention", "neighbours", "neighbours")]
    assert main(["flash"]) == 2
    assert "'flash' is no measurement of kernels: give temporal_attention or neighbours." in capsys.readouterr().err
