"""Every program of the kernel benchmark computes attention; the floor counts what must be moved and done."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from exvideo_blocks.kernels import choose
from exvideo_blocks.kernels.choose import TABLE_VARIABLE
from exvideo_blocks.kernels.temporal_attention.op import OPERATOR
from exvideo_eval import Result

from benchmarks.conditions import Conditions, ConditionsError
from benchmarks.kernels import contenders, temporal_attention
from benchmarks.kernels.ceilings import COPY, MATMUL, Ceilings
from benchmarks.kernels.contenders import (
    OURS,
    XFORMERS,
    Case,
    permuted,
    programs,
    runnable,
    to_rows,
    token_major,
    with_permutes,
)
from benchmarks.kernels.plot import draw
from benchmarks.kernels.temporal_attention import CASES, measure, of_lengths

ON_A_CPU = ("flash", "math")  # of PyTorch's backends
NOT_ON_A_CPU = ("cuDNN", "mem-efficient")
PERMUTED = permuted("flash")
CASE = Case(num_frames=5, positions=6, batch=2, channels=32, num_heads=2)


def exact_attention(tokens: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """By the formula, in fp64, frames against frames at each position."""
    q, k, v = (x.double().unflatten(0, (2, 5)).unflatten(-1, (2, 16)) for x in tokens)  # batch frames position head dim
    weights = torch.einsum("btphd,bsphd->bphts", q, k).div(4).softmax(-1)
    return torch.einsum("bphts,bsphd->btphd", weights, v).flatten(-2).flatten(0, 1)


def per_head(tokens: torch.Tensor) -> torch.Tensor:
    return to_rows(tokens, CASE.num_frames).unflatten(-1, (CASE.num_heads, -1)).transpose(1, 2)


@pytest.mark.long
def test_all_programs_compute_attention_and_its_gradients() -> None:
    by_name, absent = runnable(programs(CASE, torch.device("cpu"), torch.float32))
    layouts_of_sdpa = (permuted, with_permutes, token_major)
    assert absent.keys() == {XFORMERS, *(make(name) for make in layouts_of_sdpa for name in NOT_ON_A_CPU)}
    inputs = [tensor.double().requires_grad_() for tensor in by_name[OURS].inputs]
    expected = exact_attention((inputs[0], inputs[1], inputs[2]))
    gradients = torch.autograd.grad(expected, inputs, by_name[OURS].gradient.double())
    layouts = {name: (lambda x: x, lambda x: x) for name in (OURS, *map(token_major, ("default", *ON_A_CPU)))}
    for backend in ON_A_CPU:
        layouts[with_permutes(backend)] = (lambda x: x, lambda x: to_rows(x, CASE.num_frames))
        layouts[permuted(backend)] = (per_head, per_head)
    assert layouts.keys() == by_name.keys()
    for name, program in by_name.items():
        query_layout, other_layout = layouts[name]
        output = program.forward()
        torch.testing.assert_close(output.double(), query_layout(expected.detach()), rtol=1e-5, atol=1e-5)
        assert output.is_contiguous()
        wanted = (query_layout(gradients[0]), other_layout(gradients[1]), other_layout(gradients[2]))
        backward = program.prepare_backward()
        for found in (backward(), backward()):  # as often as it is timed
            torch.testing.assert_close([g.double() for g in found], list(wanted), rtol=1e-4, atol=1e-5)


def test_the_floor_is_the_larger_of_its_two_limits() -> None:
    limits = Ceilings(torch.device("cpu"), torch.float32)
    seconds = {COPY: 2.0, MATMUL: 5.0}
    assert limits.floor(seconds, flops=0) == pytest.approx(2.0)
    assert limits.floor(seconds, flops=limits.flops // 2) == pytest.approx(2.5)


def test_the_copy_moves_the_bytes_of_the_program() -> None:
    copied = Ceilings(torch.device("cpu"), torch.float32).contenders(1024)[COPY]()
    assert copied.nbytes == 512  # read, and as many written


def test_the_floor_counts_what_targets_for_an_h100_count() -> None:
    """Bytes at 3.02 TB/s of copy give the published floors of 0.087 and 0.152 ms at 25 frames, 64x64, C 320, bf16."""
    case = Case(num_frames=25, positions=4096)
    for direction, milliseconds in (("forward", 0.087), ("backward", 0.152)):
        moved, flops = case.work(direction, itemsize=2)
        assert moved / 3.02e12 * 1e3 == pytest.approx(milliseconds, rel=0.01)
        assert flops / 735e12 * 1e3 < milliseconds


@pytest.mark.long
def test_it_gives_a_result_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.kernels.ceilings.MATRIX_SIZE", {"cpu": 16})
    result = measure(Conditions("cpu", "fp32", threads=1, rounds=1, warmup=1), [CASE])
    result.save(tmp_path / "result.json")
    loaded = Result.load(tmp_path / "result.json")
    assert loaded == result or loaded.protocol_sha256 == result.protocol_sha256
    assert loaded.protocol["threads"] == 1
    for direction in ("forward", "backward"):
        what = f"{direction} C=32 T=5 S=6 batch=2"
        ours, floor, reached = (loaded.metric(f"{what}: {name}") for name in (OURS, "floor", f"floor / {OURS}"))
        assert ours is not None
        assert floor is not None
        assert reached is not None
        assert reached.value == pytest.approx(floor.value / ours.value)
        assert reached.better == "higher"
        ratio = loaded.metric(f"{what}: {OURS} / {PERMUTED}")
        peer = loaded.metric(f"{what}: {PERMUTED}")
        assert ratio is not None
        assert peer is not None
        assert ratio.value == pytest.approx(ours.value / peer.value)


@pytest.mark.long
def test_time_over_floor_is_drawn_against_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.kernels.ceilings.MATRIX_SIZE", {"cpu": 16})
    cases = [Case(frames, 2, channels=32, num_heads=2) for frames in (5, 3)]
    result = measure(Conditions("cpu", "fp32", threads=1, rounds=1, warmup=0), cases)
    ours = {curve.name: curve for curve in result.curves if curve.series == OURS}
    assert ours.keys() == {f"{direction}, C=32: time over floor" for direction in ("forward", "backward")}
    curve = ours["forward, C=32: time over floor"]
    assert curve.x == (3, 5)
    time, floor = (result.metric(f"forward C=32 T=5 S=2 batch=1: {name}") for name in (OURS, "floor"))
    assert time is not None
    assert floor is not None
    assert curve.y[1] == pytest.approx(time.value / floor.value)
    assert any(
        note.startswith("SDPA cuDNN on permuted inputs left out at every size: RuntimeError") for note in result.notes
    )
    draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_the_table_ranks_the_backends_that_a_user_can_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.kernels.ceilings.MATRIX_SIZE", {"cpu": 16})
    result = measure(Conditions("cpu", "fp32", threads=1, rounds=1, warmup=0), [CASE])
    temporal_attention.write_beside(result, tmp_path / "picture.png")
    monkeypatch.setenv(TABLE_VARIABLE, str(tmp_path / "attention_table.json"))
    monkeypatch.setattr(choose, "device_class", lambda device: "cpu")
    times = {
        direction: [result.metric(f"{direction} {CASE.title}: {name}") for name in (OURS, token_major("default"))]
        for direction in ("forward", "backward")
    }
    for training in (False, True):
        ranked = choose.ranking(OPERATOR, choose.Case(torch.device("cpu"), torch.float32, 32, 16, training))
        forward, backward = ([metric.value for metric in times[d] if metric] for d in ("forward", "backward"))
        ours, sdpa = (a + b for a, b in zip(forward, backward, strict=True)) if training else forward
        assert ranked == (["triton", "sdpa"] if ours < sdpa else ["sdpa", "triton"])


def test_some_lengths_alone() -> None:
    chosen = of_lengths(CASES["cuda"], [25, 100])
    expected = {(t, c) for t in (25, 100) for c in (320, 640, 1280)}
    assert {(case.num_frames, case.channels) for case in chosen} == expected
    assert of_lengths(CASES["cuda"], None) == list(CASES["cuda"])
    with pytest.raises(ConditionsError, match="--frames has 0: give lengths of at least 1"):
        of_lengths(CASES["cuda"], [0])


@pytest.mark.long
def test_what_writes_its_scores_out_is_left_out_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "MAX_SCORE_BYTES", CASE.score_bytes(4) - 1)
    by_name, absent = runnable(programs(CASE, torch.device("cpu"), torch.float32))
    assert permuted("flash") in by_name
    assert "its scores would take" in absent[permuted("math")]


def test_a_gpu_is_measured_at_every_length_and_width() -> None:
    single = {(case.num_frames, case.channels) for case in CASES["cuda"] if case.batch == 1}
    assert single == {(t, c) for t in (8, 16, 25, 40, 64, 128, 256, 512) for c in (320, 640, 1280)}
    assert all(case.channels == 64 * case.num_heads for case in CASES["cuda"])


@pytest.mark.long
def test_contenders_that_disagree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = contenders.temporal_attention
    monkeypatch.setattr(contenders, "temporal_attention", lambda *args, **kwargs: 1.1 * wrong(*args, **kwargs))
    with pytest.raises(RuntimeError, match="differ by"):
        measure(Conditions("cpu", "fp32", threads=1, rounds=1), [CASE])


@pytest.mark.long
def test_peers_on_another_layout_are_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    right = contenders.programs

    def with_one_wrong(*arguments: Any) -> dict[str, contenders.Program]:
        found = right(*arguments)
        q, k, v = found[permuted("flash")].inputs
        return found | {permuted("flash"): replace(found[permuted("flash")], inputs=(q, k.flip(0), v))}

    monkeypatch.setattr(temporal_attention, "programs", with_one_wrong)
    with pytest.raises(RuntimeError, match=r"'SDPA flash on permuted inputs' and .* differ by"):
        measure(Conditions("cpu", "fp32", threads=1, rounds=1), [CASE])


def test_ours_is_never_a_peer_in_silence() -> None:
    assert contenders.our_backend(torch.device("cuda")) == "triton"  # an error where it cannot run
    assert contenders.our_backend(torch.device("cpu")) == "auto"
