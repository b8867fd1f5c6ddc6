"""A moment in 8 bits: rounded to the table, written and read bit for bit."""

import pytest
import torch
from exvideo_train.moments import BLOCK, QuantizedMoment, in_fp32, quantize, to_file


def table() -> torch.Tensor:
    """Evenly from -1 to 1; each moment writes to its own."""
    return torch.linspace(-1, 1, 256)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(BLOCK,), (3, BLOCK), (7, 100), (1,)])
def test_a_number_is_the_nearest_of_its_block(shape: tuple[int, ...]) -> None:
    value = numbers(*shape)
    moment = quantize(value, table())
    assert moment.codes.shape == value.shape
    assert len(moment.scales) == -(-value.numel() // BLOCK)
    step = 2 / 255 / 2 * moment.scales.repeat_interleave(BLOCK)[: value.numel()].view(shape)
    assert ((moment.dequantize() - value).abs() <= step * (1 + 1e-5)).all()


def test_a_block_of_zeros_stays_one() -> None:
    odd = torch.tensor([-1.0, 0.0, 1.0]).repeat_interleave(2)[1:4].sort().values
    assert not quantize(torch.zeros(300), odd).dequantize().any()


def test_bits_are_taken_over_where_they_are_bits_already() -> None:
    one, other = quantize(numbers(2, 300), table()), quantize(numbers(2, 300, seed=1), table() ** 3)
    one.copy_(other)
    for part, value in other.parts().items():
        assert torch.equal(one.parts()[part], value)
    one.copy_(numbers(2, 300, seed=2))
    assert torch.equal(one.table, table() ** 3)  # its own table rounds
    assert torch.equal(one.codes, quantize(numbers(2, 300, seed=2), table() ** 3).codes)


def test_a_file_holds_copies_by_kind_and_part() -> None:
    moment = quantize(numbers(300), table())
    written = to_file("exp_avg", "a.weight", moment)
    assert set(written) == {f"exp_avg.{part}/a.weight" for part in ("codes", "scales", "table")}
    read = QuantizedMoment(*(written[f"exp_avg.{part}/a.weight"] for part in ("codes", "scales", "table")))
    before = in_fp32(moment).clone()
    moment.scales.zero_()
    assert torch.equal(read.dequantize(), before)
    plain = numbers(3).bfloat16()
    (name, value), *_ = to_file("master", "a", plain).items()
    assert (name, value.dtype) == ("master/a", torch.float32)
    assert in_fp32(plain) is plain
