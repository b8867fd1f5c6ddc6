"""Angle offsets: nothing at first, exact turns later, in every precision, and kept where a table becomes longer."""

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from exvideo_blocks.frequencies import FREQUENCIES, rotary_frequencies
from exvideo_blocks.positions import POSITIONS, STARTS
from exvideo_blocks.rotary import AngleOffsets, start_angles, turned, turned_columns
from torch import Tensor

FREQUENCY = rotary_frequencies(1e4, 16)
KNOWN, LONG = 5, 12
CPU = torch.device("cpu")


def base_tables(
    rows: int, dtype: torch.dtype = torch.float32, frequencies: Sequence[float] = FREQUENCY
) -> tuple[Tensor, Tensor]:
    angles = torch.outer(torch.arange(rows, dtype=torch.float64), torch.tensor(frequencies, dtype=torch.float64))
    return angles.cos().to(dtype), angles.sin().to(dtype)


def table_of(offsets: AngleOffsets, rows: int) -> tuple[Tensor, Tensor]:
    return turned(*base_tables(rows, frequencies=offsets.frequencies), offsets(rows, CPU).detach())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("positions", ["continued", "reflected"])
def test_without_an_offset_the_base_s_bits_are_kept(positions: str, dtype: torch.dtype) -> None:
    offsets = AngleOffsets(FREQUENCY, KNOWN, LONG, positions).to(dtype)
    rows = LONG if positions == "continued" else KNOWN
    cos, sin = base_tables(rows, dtype)
    new_cos, new_sin = turned(cos, sin, offsets(rows, CPU))
    assert torch.equal(new_cos, cos)
    assert torch.equal(new_sin, sin)
    assert new_cos.dtype == dtype


# Base, columns and known rows of this file's small table, of Wan, HunyuanVideo and CogVideoX, and rows up to ten times.
SIZES = [(1e4, 16, KNOWN, LONG), (1e4, 44, 21, 41), (1e4, 44, 21, 210), (256.0, 16, 33, 330), (1e4, 16, 13, 130)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("positions", STARTS)
def test_every_start_gives_the_table_of_its_formula(positions: str, size: tuple[float, int, int, int]) -> None:
    theta, columns, known, long = size
    base = rotary_frequencies(theta, columns)
    if positions in FREQUENCIES:
        rows, frequencies = torch.arange(long).double(), FREQUENCIES[positions](base, known, long)
    else:
        rows, frequencies = torch.tensor(POSITIONS[positions](known, long), dtype=torch.float64), base
    angles = rows[:, None] * torch.tensor(frequencies, dtype=torch.float64)
    cos, sin = table_of(AngleOffsets(base, known, long, positions), long)
    torch.testing.assert_close(cos.double(), angles.cos(), rtol=0, atol=1e-6)
    torch.testing.assert_close(sin.double(), angles.sin(), rtol=0, atol=1e-6)


def test_an_offset_turns_by_its_angle_and_learns() -> None:
    offsets = AngleOffsets(FREQUENCY, KNOWN, LONG, "continued")
    with torch.no_grad():
        offsets.weight.uniform_(-3, 3)
    angles = start_angles(FREQUENCY, KNOWN, LONG, "continued") + offsets.weight.detach().double()
    cos, sin = turned(*base_tables(LONG), offsets(LONG, CPU))
    torch.testing.assert_close(cos.detach().double(), angles.cos(), rtol=0, atol=1e-6)
    torch.testing.assert_close(sin.detach().double(), angles.sin(), rtol=0, atol=1e-6)
    (cos.sum() + 2 * sin.sum()).backward()
    expected = 2 * angles.cos() - angles.sin()
    torch.testing.assert_close(offsets.weight.grad.double(), expected, rtol=0, atol=1e-5)


def test_a_cast_rounds_no_offset_away() -> None:
    offsets = AngleOffsets(FREQUENCY, KNOWN, LONG, "interpolated")
    with torch.no_grad():
        offsets.weight.fill_(1.0001)
    offsets.weight.grad = torch.ones_like(offsets.weight)
    before = {name: getattr(offsets, name).detach().clone() for name in ("weight", "start")}
    for cast in (torch.Tensor.bfloat16, torch.Tensor.half, torch.Tensor.double):
        offsets = getattr(offsets, cast.__name__)()
        for name, value in before.items():
            assert torch.equal(getattr(offsets, name), value), (cast, name)
        assert offsets.weight.grad.dtype == torch.float32
    assert offsets.to("meta").weight.is_meta
    assert offsets.start.is_meta


def test_more_rows_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="num_frames=13 is beyond the 12 frames"):
        AngleOffsets(FREQUENCY, KNOWN, LONG, "continued")(13, CPU)


def test_a_scale_of_the_rows_scales_the_start_alone() -> None:
    offsets = AngleOffsets(FREQUENCY, KNOWN, LONG, "interpolated")
    with torch.no_grad():
        offsets.weight.fill_(0.5)
    plain, half = offsets(LONG, CPU), offsets(LONG, CPU, row_scale=0.5)
    turns = (half - 0.5 - (plain - 0.5) / 2) / math.pi  # of whole turns, plain has none
    torch.testing.assert_close(turns, turns.round(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("token_axis", [0, 1])
def test_only_the_temporal_columns_turn_each_by_the_row_of_its_token(token_axis: int) -> None:
    rows, tokens, others = 3, 4, 6
    angles = torch.rand(rows, 2)
    shape = (rows * tokens, 4 + others) if token_axis == 0 else (1, rows * tokens, 1, 4 + others)
    base = torch.rand(rows * tokens, 5).repeat_interleave(2, dim=1)
    cos, sin = base.cos().view(shape), base.sin().view(shape)
    new_cos, new_sin = turned_columns(cos, sin, angles, token_axis)
    flat_cos, flat_sin = new_cos.view(rows * tokens, -1), new_sin.view(rows * tokens, -1)
    for token in range(rows * tokens):
        for column in range(4 + others):
            turn = angles[token // tokens, column // 2] if column < 4 else torch.tensor(0.0)
            torch.testing.assert_close(flat_cos[token, column], (base[token, column] + turn).cos())
            torch.testing.assert_close(flat_sin[token, column], (base[token, column] + turn).sin())


@pytest.mark.parametrize("first", STARTS)
@pytest.mark.parametrize("then", STARTS)
def test_a_longer_table_keeps_what_a_shorter_one_learned(first: str, then: str) -> None:
    torch.manual_seed(0)
    shorter = AngleOffsets(FREQUENCY, KNOWN, LONG, first)
    with torch.no_grad():
        shorter.weight.uniform_(-1, 1)
    longer = AngleOffsets(FREQUENCY, KNOWN, 2 * LONG, then)
    fresh = copy.deepcopy(longer)
    longer.start_from(shorter, then)
    trained = start_angles(FREQUENCY, KNOWN, LONG, first) + shorter.weight.detach().double()
    total = start_angles(FREQUENCY, KNOWN, 2 * LONG, then) + longer.weight.detach().double()
    if then in FREQUENCIES:
        assert torch.equal(longer.weight[:LONG], shorter.weight)
        assert not longer.weight[LONG:].any()
        return
    ids = torch.tensor(POSITIONS[then](LONG, 2 * LONG)).double()
    low = ids.floor().clamp(max=LONG - 1).long()
    expected = torch.lerp(trained[low], trained[(low + 1).clamp(max=LONG - 1)], (ids - low).clamp(max=1)[:, None])
    if then == "continued":
        expected[LONG:] = start_angles(FREQUENCY, KNOWN, 2 * LONG, "continued")[LONG:]
        assert torch.equal(longer.weight[LONG:], fresh.weight[LONG:])
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-5)
    if first == then and then != "interpolated":
        assert torch.equal(longer.weight[:LONG], shorter.weight)
