"""Conditions of a batch: parts of it, both halves of guidance, and first frames that are given."""

import pytest
import torch
from exvideo_infer import Conditions, PromptConditions, TextConditions
from exvideo_infer.conditions import join_tokens
from torch import Tensor


def numbered(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).view(shape)


@pytest.fixture
def two() -> Conditions:
    return Conditions(numbered(2, 3, 4), numbered(2, 4, 2, 2), torch.tensor([[6.0, 127, 0], [7, 10, 0.02]]))


def test_rows_and_cat_are_inverse(two: Conditions) -> None:
    again = Conditions.cat([two.rows(slice(0, 1)), two.rows(slice(1, 2))])
    for name in ("tokens", "first_frame", "time_ids"):
        assert torch.equal(getattr(again, name), getattr(two, name))


def test_what_a_family_has_not_stays_none(two: Conditions) -> None:
    plain = Conditions(two.tokens)
    for made in (Conditions.cat([plain, plain]), plain.repeated(2), plain.rows(slice(1)), plain.without()):
        assert made.first_frame is made.time_ids is None


def test_each_clip_is_repeated_beside_itself(two: Conditions) -> None:
    repeated = two.repeated(3)
    assert [float(one) for one in repeated.tokens[:, 0, 0]] == [0, 0, 0, 12, 12, 12]
    assert two.repeated(1) is two


def test_the_unconditional_half_keeps_what_is_no_condition(two: Conditions) -> None:
    without = two.without()
    assert without.first_frame is not None
    assert not without.tokens.any()
    assert not without.first_frame.any()
    assert without.time_ids is two.time_ids


def test_text_is_guided_away_from_the_empty_prompt(two: Conditions) -> None:
    with pytest.raises(ValueError, match="give the embedding of the empty prompt"):
        TextConditions(two.tokens).without()
    empty = torch.ones(2, 3, 4)
    assert torch.equal(TextConditions(two.tokens, unconditional=empty).without().tokens, empty)
    masks = (torch.ones(2, 3), torch.zeros(2, 3))
    prompted = PromptConditions(
        two.tokens, two.first_frame, unconditional=empty, tokens_mask=masks[0], unconditional_mask=masks[1]
    )
    assert prompted.without().tokens_mask is masks[1]
    assert prompted.without().first_frame is two.first_frame


def test_a_first_frame_that_is_given_takes_its_place(two: Conditions) -> None:
    latents = torch.full((2, 5, 4, 2, 2), -1.0)
    assert two.with_given(latents) is latents
    assert two.first_frame is not None
    placed = PromptConditions(two.tokens, two.first_frame.half()).with_given(latents)
    assert placed.dtype == latents.dtype
    assert torch.equal(placed[:, 0], two.first_frame)
    assert torch.equal(placed[:, 1:], latents[:, 1:])


def test_no_first_frame_is_zeros_where_it_is_a_condition_and_none_where_it_is_the_clip_s_own(two: Conditions) -> None:
    without = two.without_first_frame()
    assert without.first_frame is not None
    assert not without.first_frame.any()
    assert without.tokens is two.tokens
    assert Conditions(two.tokens).without_first_frame().first_frame is None
    own = PromptConditions(two.tokens, two.first_frame).without_first_frame()
    assert own.first_frame is None
    latents = torch.full((2, 5, 4, 2, 2), -1.0)
    assert own.with_given(latents) is latents


def test_text_comes_after_the_image() -> None:
    joined = join_tokens(torch.zeros(2, 1, 4, dtype=torch.float16), torch.ones(2, 3, 4))
    assert (joined.shape, joined.dtype) == ((2, 4, 4), torch.float16)
    assert joined[0, :, 0].tolist() == [0, 1, 1, 1]
