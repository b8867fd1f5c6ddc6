"""Counters are exact: against what can be worked out by hand, and the same at every run."""

import gc
from typing import Any

import pytest
import torch
from exvideo_eval.harness.counters import counted
from torch import Tensor, nn

ROWS, WIDTH = 8, 16
BYTES = ROWS * WIDTH * 4


def counts_of(call: Any) -> counted:
    with counted() as counts:
        call()
    return counts


def test_a_product_has_the_flops_of_its_definition() -> None:
    one, other = torch.ones(3, 5), torch.ones(5, 7)
    counts = counts_of(lambda: one @ other)
    assert counts.flops == 2 * 3 * 5 * 7
    assert counts.operators_by_name == {"mm": 1}


def test_views_are_free_and_copies_are_not() -> None:
    x = torch.ones(ROWS, WIDTH)
    assert counts_of(lambda: x.t()[1:].reshape(-1, ROWS)).operators == 0
    assert counts_of(lambda: x.t().contiguous()).operators_by_name == {"clone": 1}


def test_peak_memory_is_of_what_lives_at_one_time() -> None:
    x = torch.ones(ROWS, WIDTH)
    assert counts_of(lambda: (x + 1) * 2 - 3).peak_bytes == 2 * BYTES  # the sum is gone before the difference
    assert counts_of(lambda: [x + 1, x + 2, x + 3]).peak_bytes == 3 * BYTES
    assert counts_of(lambda: x.add_(1).t()).peak_bytes == 0  # what was there before does not count


def test_an_operator_frees_what_only_it_held() -> None:
    x = torch.ones(ROWS, WIDTH)

    def chain() -> None:
        y = x + 1
        for _ in range(5):
            y = y + 1

    assert counts_of(chain).peak_bytes == 2 * BYTES


def test_saved_bytes_are_counted_once_and_without_weights() -> None:
    weight = nn.Parameter(torch.ones(WIDTH, WIDTH))
    x = torch.ones(ROWS, WIDTH)
    assert counts_of(lambda: x @ weight).saved_bytes == 0  # the input was there before
    assert counts_of(lambda: (x + 1) @ weight).saved_bytes == BYTES

    def twice() -> Tensor:
        y = x + 1
        return y @ weight + y @ weight

    assert counts_of(twice).saved_bytes == BYTES
    with torch.no_grad():
        assert counts_of(twice).saved_bytes == 0


@pytest.mark.parametrize("activation", [torch.exp, torch.sigmoid])
def test_gradients_are_those_without_a_counter_and_nothing_leaks(activation: Any) -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0))

    def gradient() -> Tensor:
        model.zero_grad()
        activation(model(x)).sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])

    plain = gradient()
    with counted() as counts:
        torch.testing.assert_close(gradient(), plain, rtol=0, atol=0)
    forward = 2 * ROWS * (WIDTH * WIDTH + WIDTH)
    assert counts.flops == forward + 2 * forward - 2 * ROWS * WIDTH * WIDTH  # no gradient of x
    assert gc.isenabled()
    gc.collect()
    assert gc.collect() == 0


class Block(nn.Module):
    def __init__(self, copy: bool) -> None:
        super().__init__()
        self.copy = copy
        self.first, self.second = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        other = hidden.clone() if self.copy else hidden
        return self.second(nn.functional.gelu(hidden * other))


def test_one_extra_copy_of_an_activation_is_seen_each_time() -> None:
    def counts_with(copy: bool) -> counted:
        model, x = Block(copy), torch.ones(ROWS, WIDTH)
        return counts_of(lambda: model(x).sum().backward())

    for _ in range(5):
        plain, copied = counts_with(False), counts_with(True)
        assert copied.operators_by_name["clone"] - plain.operators_by_name["clone"] == 1
        assert copied.saved_bytes - plain.saved_bytes == 4 * BYTES
        assert copied.peak_bytes - plain.peak_bytes == 4 * BYTES
        assert copied.flops == plain.flops
        assert counts_with(False).peak_bytes == plain.peak_bytes


def test_a_counter_decorates_and_adds_up() -> None:
    counts = counted()
    model = nn.Linear(WIDTH, WIDTH, bias=False).requires_grad_(False)
    forward = counts(model)
    forward(torch.ones(ROWS, WIDTH))
    once = counts.flops, counts.peak_bytes
    forward(torch.ones(ROWS, WIDTH))
    assert (counts.flops, counts.peak_bytes) == (2 * once[0], once[1])
    assert counts.operators == 2


class Scaled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight * 2


def test_inference_counts_as_much_as_no_gradients() -> None:
    model, x, weight = nn.Linear(WIDTH, WIDTH), torch.ones(ROWS, WIDTH), nn.Parameter(torch.ones(WIDTH))

    def forward() -> Tensor:
        return nn.functional.scaled_dot_product_attention(*[model(x)[None, None] * Scaled()(weight)] * 3)

    found = []
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), counted() as counts:
            forward()
        found.append((counts.flops, counts.operators, counts.peak_bytes))
    assert found[0] == found[1]
    assert found[0][0] == 2 * ROWS * WIDTH * WIDTH + 2 * (2 * ROWS * ROWS * WIDTH)


def test_backward_of_attention_has_five_products_for_two() -> None:
    shape = (1, 2, 8, 16)
    parts = [torch.ones(shape, requires_grad=True) for _ in range(3)]
    product = 2 * 2 * 8 * 8 * 16
    attend = nn.functional.scaled_dot_product_attention
    assert counts_of(lambda: attend(*parts)).flops == 2 * product
    assert counts_of(lambda: attend(*parts).sum().backward()).flops == (2 + 5) * product
