"""Words of a prompt that a base does not read."""

import logging
from typing import Any

import pytest
from exvideo_infer import unknown_words, words_beyond_end
from exvideo_infer.prompts import warn_of_unread_words

from .conftest import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()  # of a start, five words and an end


def test_unknown_words_come_once_in_their_order(tokenizer: Any) -> None:
    prompts = ["a Zebra moves left", "a red yak", "a zebra"]
    assert unknown_words(tokenizer, prompts) == ["zebra", "yak"]
    assert unknown_words(tokenizer, ["A red Circle moves"]) == []


def test_what_is_beyond_the_longest_prompt_is_told_as_it_stands(tokenizer: Any) -> None:
    assert words_beyond_end(tokenizer, "a red circle moves left") == ""
    assert words_beyond_end(tokenizer, "a red circle moves left  A Square") == "A Square"


def test_both_are_warned_of_and_nothing_else_is(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_unread_words(tokenizer, ["a red circle"])
        assert caplog.messages == []
        warn_of_unread_words(tokenizer, ["a yak", "a a a a a a"])
    assert caplog.messages == [
        "The base does not know these words of the prompt: yak.",
        "The prompt is too long for the base; it does not read: a",
    ]
