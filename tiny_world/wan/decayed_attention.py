"""Decayed attention (UltraViCo: Zhao et al., arXiv 2511.20123): logits beyond the trained window made smaller.

    logit' = alpha logit     where logit > 0 and the two rows are more than half of the trained rows apart

and, as in the authors' own code for Wan, queries of the first row do not see rows beyond the trained ones at all.
Logits of 0 and below are left as they are: scaled, they would grow. Nothing is trained.
"""

from typing import Any

import torch
from torch import Tensor

ALPHA = 0.9  # the authors' for Wan


class DecayedAttention:
    """A processor of the attention over all tokens of a clip, in place of diffusers' `WanAttnProcessor`.

    Args:
        known_rows: temporal rows that the network was trained at.
        row_tokens: tokens of a row.
        alpha: in (0, 1]; at 1, and with as many rows as are known, it is the attention that it stands for.
    """

    def __init__(self, known_rows: int, row_tokens: int, alpha: float = ALPHA) -> None:
        self.known_rows, self.row_tokens, self.alpha = known_rows, row_tokens, alpha

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The attention's answer, (batch, tokens, width); it is given no other tokens and no mask."""
        from diffusers.models.embeddings import apply_rotary_emb

        q, k = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(hidden_states))
        q, k, v = (part.unflatten(2, (attn.heads, -1)) for part in (q, k, attn.to_v(hidden_states)))
        if rotary_emb is not None:
            cos, sin = (table.squeeze((0, 2)) for table in rotary_emb)
            q, k = (apply_rotary_emb(part, (cos, sin), sequence_dim=1) for part in (q, k))
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))  # (batch, heads, tokens, columns)
        logits = self.decayed(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5)
        answer = (logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        out: Tensor = attn.to_out[1](attn.to_out[0](answer.to(hidden_states)))
        return out

    def decayed(self, logits: Tensor) -> Tensor:
        """Logits (..., tokens, tokens) of a clip, made smaller beyond the window."""
        tokens = logits.shape[-1]
        row = torch.arange(tokens, device=logits.device) // self.row_tokens
        token = torch.arange(tokens, device=logits.device)
        is_far = (token[:, None] - token).abs() > self.known_rows * self.row_tokens / 2
        shrunk = torch.where(is_far & (logits > 0), self.alpha * logits, logits)
        return shrunk.masked_fill((row[:, None] == 0) & (row >= self.known_rows), -torch.inf)


def decay_attention(network: Any, known_rows: int, row_tokens: int, alpha: float = ALPHA) -> None:
    """Puts the processor into every block of a Wan transformer, in place."""
    for block in network.blocks:
        block.attn1.set_processor(DecayedAttention(known_rows, row_tokens, alpha))
