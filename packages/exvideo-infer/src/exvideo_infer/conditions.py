"""The conditions of a network beside noisy latents and their noise level, for the trainer and the sampler alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditions:
    """The conditions of a batch of clips. A family whose network takes more makes a subclass with further tensors.

    Args:
        tokens: (batch, tokens, dimension), for cross-attention: of an image, of text, or of both.
        first_frame: (batch, channels, height, width), latents of a clean first frame; None where a family has none.
        time_ids: (batch, 3): fps - 1, motion bucket, noise augmentation; None where a family has none.
    """

    tokens: Tensor
    first_frame: Tensor | None = None
    time_ids: Tensor | None = None

    def without(self) -> Self:
        """The conditions of the unconditional half of guidance: zeros for the tokens and the first frame.

        Training drops conditions so, too.
        """
        return replace(self.without_first_frame(), tokens=torch.zeros_like(self.tokens))

    def without_first_frame(self) -> Self:
        """These conditions of a clip that is told no first frame: zeros in its place."""
        return self if self.first_frame is None else replace(self, first_frame=torch.zeros_like(self.first_frame))

    def told_guidance(self, scale: float) -> Self | None:
        """The conditions of a network that is told its guidance; None of one that is guided by a second answer."""
        return None

    def with_given(self, latents: Tensor) -> Tensor:
        """A sampler's latents (batch, frames, ...) with the frames in their place that a clip is given: here, none."""
        return latents

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moved and/or cast, given as to `torch.Tensor.to`."""
        return self._mapped(lambda tensor: tensor.to(*args, **kwargs))

    def rows(self, part: slice) -> Self:
        """The conditions of some of the clips."""
        return self._mapped(lambda tensor: tensor[part])

    def repeated(self, times: int) -> Self:
        """Each clip's conditions so many times, one after the other."""
        return self if times == 1 else self._mapped(lambda tensor: tensor.repeat_interleave(times, dim=0))

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> Self:
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: function(tensor) for name, tensor in tensors.items() if tensor is not None})

    @classmethod
    def cat(cls, batches: Sequence[Self]) -> Self:
        """One batch of several."""
        names = [field.name for field in fields(batches[0]) if getattr(batches[0], field.name) is not None]
        return replace(batches[0], **{name: torch.cat([getattr(one, name) for one in batches]) for name in names})


@dataclass(frozen=True)
class TextConditions(Conditions):
    """The conditions of a network that reads text alone, and whose unconditional half is the empty prompt.

    Args:
        unconditional: (batch, tokens, dimension), of the empty prompt.
    """

    unconditional: Tensor | None = None

    def without(self) -> Self:
        """The conditions of the empty prompt, as Stable Diffusion was trained with for guidance.

        Raises:
            ValueError: they are not known.
        """
        if self.unconditional is None:
            raise ValueError("unconditional=None: give the embedding of the empty prompt, (batch, tokens, dimension).")
        return replace(self, tokens=self.unconditional)


@dataclass(frozen=True)
class PromptConditions(TextConditions):
    """The conditions of a video transformer: text, and `first_frame` where that is given clean as the clip's own.

    Args:
        tokens_mask: (batch, tokens), 1 where a token is one of the text; None where the network is told no mask.
        unconditional_mask: the same of the empty prompt.
    """

    tokens_mask: Tensor | None = None
    unconditional_mask: Tensor | None = None

    def without(self) -> Self:
        """The conditions of the empty prompt; a first frame stays. Raises ValueError as `TextConditions.without`."""
        return replace(super().without(), tokens_mask=self.unconditional_mask)

    def without_first_frame(self) -> Self:
        """These conditions of a clip that begins at no picture, whose first frame is made as all others."""
        return replace(self, first_frame=None)

    def with_given(self, latents: Tensor) -> Tensor:
        """Latents (batch, frames, ...) with the first frame in its place, if it is given."""
        if self.first_frame is None:
            return latents
        return torch.cat([self.first_frame.to(latents)[:, None], latents[:, 1:]], dim=1)


def join_tokens(image_token: Tensor, text_tokens: Tensor) -> Tensor:
    """The context of a base that reads text: the image's token, then those of the text.

    Args:
        image_token: (batch, 1, dimension), as `exvideo_infer.encoders.embed_image` gives it.
        text_tokens: (batch, tokens, dimension), as `embed_text` does; moved to the image's device and dtype.

    Returns:
        (batch, 1 + tokens, dimension).
    """
    return torch.cat([image_token, text_tokens.to(image_token)], dim=1)
