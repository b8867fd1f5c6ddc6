"""The attention of CogVideoX where its positions learn."""

from typing import Any

import torch
from diffusers.models.attention_processor import CogVideoXAttnProcessor2_0
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor
from torch.nn import functional as F


class LearnablePositionsProcessor(CogVideoXAttnProcessor2_0):
    """diffusers' processor, but where the positions require a gradient they are applied to a copy.

    The base's writes the turned queries over the ones that the gradient of the positions needs.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Args and what is returned are the base's: (batch, tokens, columns), of the clip and of the text."""
        if image_rotary_emb is None or attention_mask is not None or not image_rotary_emb[0].requires_grad:
            plain: tuple[Tensor, Tensor] = super().__call__(
                attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb
            )
            return plain
        words = encoder_hidden_states.shape[1]
        tokens = torch.cat([encoder_hidden_states, hidden_states], dim=1)
        query, key, value = (
            project(tokens).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        if attn.norm_q is not None:
            query, key = attn.norm_q(query), attn.norm_k(key)
        query, key = (
            torch.cat([x[:, :, :words], apply_rotary_emb(x[:, :, words:], image_rotary_emb)], dim=2)
            for x in (query, key)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        project_out, dropout = attn.to_out
        answer = dropout(project_out(mixed))
        return answer[:, words:], answer[:, :words]
