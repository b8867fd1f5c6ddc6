"""Words of a prompt or caption that a base will not read."""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from exvideo_infer.placement import exclusive

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)


def unknown_words(tokenizer: "PreTrainedTokenizerFast", prompts: Iterable[str]) -> list[str]:
    """Words that the tokenizer has no token for, in the order in which they appear, each once."""
    words: dict[str, None] = {}
    for prompt in prompts:
        for token, (start, end) in _tokens(tokenizer, prompt):
            if token == tokenizer.unk_token_id:
                words[prompt[start:end].lower()] = None
    return list(words)


def words_beyond_end(tokenizer: "PreTrainedTokenizerFast", prompt: str) -> str:
    """The part of a prompt that is beyond the tokenizer's longest; "" where all of it is read."""
    room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    return "".join(prompt[start:] for _, (start, _) in _tokens(tokenizer, prompt)[room : room + 1])


def warn_of_unread_words(tokenizer: "PreTrainedTokenizerFast", prompts: Sequence[str]) -> None:
    """Logs a warning that names what of the prompts the base will not read, if there is something."""
    unknown = unknown_words(tokenizer, prompts)
    if unknown:
        logger.warning("The base does not know these words of the prompt: %s.", ", ".join(unknown))
    for prompt in prompts:
        rest = words_beyond_end(tokenizer, prompt)
        if rest:
            logger.warning("The prompt is too long for the base; it does not read: %s", rest)


def _tokens(tokenizer: "PreTrainedTokenizerFast", prompt: str) -> list[tuple[int, tuple[int, int]]]:
    # Without special tokens: some tokenizers end every prompt with the token that also stands for unknown words.
    with exclusive(tokenizer):
        encoded = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
