"""The levels: which parameters of a temporal transformer block each adapts."""

import pytest
from exvideo_blocks import LEVELS

NAMES = (
    "norm1.weight", "attn1.to_q.weight", "attn1.to_q.update_down", "attn1.to_q.update_up", "norm2.bias",
    "attn2.to_k.weight", "ff.net.0.proj.weight",
)  # fmt: skip
ADAPTED = {
    "full": set(NAMES),
    "temporal": set(NAMES),
    "conv": set(),
    "attention": {"norm1.weight", "attn1.to_q.weight", "attn1.to_q.update_down", "attn1.to_q.update_up", "norm2.bias"},
    "lora": {"norm1.weight", "attn1.to_q.update_down", "attn1.to_q.update_up", "norm2.bias"},
    "position": set(),
}


def test_there_is_a_row_for_each() -> None:
    assert list(ADAPTED) == list(LEVELS)


@pytest.mark.parametrize("name", ADAPTED)
def test_a_level_adapts_these_parameters(name: str) -> None:
    adapted = {parameter for parameter in NAMES if LEVELS[name].trains_in_block(parameter, ("attn1",))}
    assert adapted == ADAPTED[name]


def test_both_attentions_of_a_motion_module_are_along_frames() -> None:
    assert LEVELS["attention"].trains_in_block("attn2.to_k.weight", ("attn1", "attn2"))
    assert not LEVELS["attention"].trains_in_block("ff.net.0.proj.weight", ("attn1", "attn2"))


def test_a_level_adds_one_convolution_or_none() -> None:
    added = {name: level.identity_conv for name, level in LEVELS.items() if level.identity_conv}
    assert added == {"full": "dense", "conv": "dense", "attention": "depthwise"}


def test_the_tables_of_positions_train_at_every_level() -> None:
    assert all(level.table for level in LEVELS.values())
