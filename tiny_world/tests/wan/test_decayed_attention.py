"""Decayed attention."""

import pytest
import torch

from tiny_world.wan.decayed_attention import DecayedAttention, decay_attention
from tiny_world.wan.network import FAMILY, build_network

from .test_network import conditions


@pytest.mark.parametrize(("rows", "alpha", "same"), [(12, 1.0, True), (24, 0.5, True), (12, 0.5, False)])
def test_within_its_window_it_is_diffusers_own_attention(rows: int, alpha: float, same: bool) -> None:
    torch.manual_seed(0)
    network = build_network().eval()
    torch.nn.init.normal_(network.proj_out.weight, std=0.1)
    clip, told, time = torch.randn(2, 12, 8, 8, 8), conditions(), torch.tensor(500.0)
    with torch.no_grad():
        before = FAMILY.call(network, clip, time, told)
        decay_attention(network, rows, 16, alpha)
        after = FAMILY.call(network, clip, time, told)
    assert torch.allclose(before, after, atol=1e-5) == same


def test_positive_logits_alone_shrink_and_the_first_row_sees_no_row_beyond_the_trained_ones() -> None:
    logits = torch.ones(12, 12)  # 6 rows of 2 tokens, of which 4 are known: up to 4 tokens away nothing changes
    logits[2:, 1] = -1.0
    decayed = DecayedAttention(known_rows=4, row_tokens=2, alpha=0.9).decayed(logits)
    assert decayed[6].tolist() == pytest.approx([0.9, -1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.9])
    assert decayed[0, :8].tolist() == pytest.approx([1, 1, 1, 1, 1, 0.9, 0.9, 0.9])
    assert decayed[:2, 8:].tolist() == [[-torch.inf] * 4] * 2
    assert torch.isfinite(decayed[2:]).all()
