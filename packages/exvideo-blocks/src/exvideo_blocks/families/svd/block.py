"""The extended temporal site of SVD: the base's own modules, run token-major, with trainable positions.

Both classes are subclasses of the diffusers class they stand in for and share its submodules and parameter names, so
that a model with them mounted still works wherever the original did.
"""

from typing import Any

import torch
from diffusers.models.attention import TemporalBasicTransformerBlock, _chunked_feed_forward
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_temporal import (
    TransformerSpatioTemporalModel,
    TransformerTemporalModelOutput,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from exvideo_blocks.families.family import check_processor
from exvideo_blocks.kernels.choose import Backend
from exvideo_blocks.kernels.temporal_attention.op import check_runs, temporal_attention
from exvideo_blocks.kernels.temporal_attention.reference import join_heads, split_heads


class PlainAttention(Attention):
    """A temporal attention of diffusers', which its block computes itself: processors of other kinds are refused."""

    def set_processor(self, processor: Any) -> None:
        check_processor(processor)
        super().set_processor(processor)


class TokenMajorTemporalBlock(TemporalBasicTransformerBlock):
    """diffusers' temporal block on tokens (batch * frames, positions, channels); it never permutes them."""

    ignores_processors = True  # of its attentions, which it computes itself
    attention_backend: Backend = "auto"

    def check_attention_backend(self, backend: Backend, num_frames: int) -> None:
        """Raises BackendError if a backend cannot compute self-attention where the block is now."""
        weight = self.attn1.to_out[0].weight
        check_runs(backend, weight.device, weight.dtype, num_frames, self.attn1.inner_dim // self.attn1.heads)

    def forward(self, hidden_states: Tensor, num_frames: int, encoder_hidden_states: Tensor | None = None) -> Tensor:
        """Args:
            hidden_states: (batch * frames, positions, channels).
            num_frames: frames a clip.
            encoder_hidden_states: (batch, tokens, dimension), one context a clip.

        Returns:
            (batch * frames, positions, channels).
        """
        hidden_states = self._feed(self.ff_in, self.norm_in(hidden_states)) + hidden_states
        hidden_states = self._attend(self.norm1(hidden_states), num_frames) + hidden_states
        if self.attn2 is not None:
            hidden_states = self._cross_attend(hidden_states, encoder_hidden_states, num_frames) + hidden_states
        return self._feed(self.ff, self.norm3(hidden_states)) + hidden_states

    def _feed(self, network: nn.Module, tokens: Tensor) -> Tensor:
        if self._chunk_size is None:
            return network(tokens)
        # The base chunks the frames of its (batch * positions, frames, channels); here they are on the first axis.
        return _chunked_feed_forward(network, tokens, 0, self._chunk_size)

    def _attend(self, tokens: Tensor, num_frames: int) -> Tensor:
        attn = self.attn1
        query, key, value = attn.to_q(tokens), attn.to_k(tokens), attn.to_v(tokens)
        attended = temporal_attention(
            query, key, value, num_frames=num_frames, num_heads=attn.heads, backend=self.attention_backend
        )
        return _project_out(attn, attended)

    def _cross_attend(self, hidden_states: Tensor, context: Tensor | None, num_frames: int) -> Tensor:
        if context is None:
            raise ValueError(
                "encoder_hidden_states=None, but this temporal block attends to a context: pass one a clip."
            )
        attn, positions = self.attn2, hidden_states.shape[1]
        if context.shape[1] == 1:
            return attend_to_one_token(attn, context, num_frames, positions, context.device.type == "cpu")
        tokens = self.norm2(hidden_states)
        rows = _a_row_per_position(context, positions)
        query = split_heads(attn.to_q(tokens), num_frames, attn.heads)
        key = attn.to_k(rows).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        value = attn.to_v(rows).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        return _project_out(attn, join_heads(F.scaled_dot_product_attention(query, key, value), positions))


def attend_to_one_token(
    attn: Attention, context: Tensor, num_frames: int, positions: int, as_base_rounds: bool
) -> Tensor:
    """Attention to a single token: its softmax is 1 whatever asks, so all that is left is to_out(to_v(token)).

    Args:
        attn: the cross-attention.
        context: (batch, 1, dimension).
        num_frames, positions: frames a clip and positions a frame, to which the result is the same.
        as_base_rounds: both products over as many rows as in the base, so that every bit is the base's on a processor
            where rounding depends on their number; else over one row a clip (docs/decisions/0003).

    Returns:
        (batch * num_frames, positions, channels).
    """
    if not as_base_rounds:
        token = _project_out(attn, attn.to_v(context))
        return token.repeat_interleave(num_frames, dim=0).expand(-1, positions, -1)
    value = attn.to_v(_a_row_per_position(context, positions)).expand(-1, num_frames, -1).contiguous()
    rows = _project_out(attn, value)  # in the base's order too: in fp64 a row's place among the others matters
    return rows.unflatten(0, (-1, positions)).transpose(1, 2).flatten(0, 1)


def _a_row_per_position(context: Tensor, positions: int) -> Tensor:
    """(batch, tokens, dimension) -> (batch * positions, tokens, dimension), the context of a clip for each position."""
    # One row a position, as the base has it: a matrix product over fewer rows rounds differently, and a freshly
    # extended model must equal its base bit for bit. In memory of its own, since PyTorch multiplies an expanded tensor
    # in another way, which rounds differently again, depending on whether the weights are frozen.
    return context[:, None].expand(-1, positions, -1, -1).flatten(0, 1).contiguous()


def _project_out(attn: Attention, tokens: Tensor) -> Tensor:
    projection, dropout = attn.to_out
    return dropout(projection(tokens))


class ExtendedTransformerSpatioTemporalModel(TransformerSpatioTemporalModel):
    """An SVD temporal site with a frame table and, at some levels, identity convolutions (ExVideo, section 3).

        embedding = time_pos_embed(frame_table[:T])
        x         = spatial + embedding
        x         = identity_conv(x)
        x         = temporal_block(x)
        output    = time_mixer(spatial, x)

    Made by `exvideo_blocks.mount`, never constructed directly.
    """

    temporal_checkpointing = False  # of what is temporal alone, beside diffusers' gradient_checkpointing

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        image_only_indicator: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Args:
            hidden_states: (batch * frames, channels, height, width).
            encoder_hidden_states: (batch * frames, tokens, dimension).
            image_only_indicator: (batch, frames), 1 where the temporal branch is skipped.

        Returns:
            (batch * frames, channels, height, width), wrapped as the base wraps it.

        Raises:
            ValueError: more frames than the extension has, or an argument that the site needs is missing.
        """
        if encoder_hidden_states is None or image_only_indicator is None:
            raise ValueError("encoder_hidden_states and image_only_indicator must both be given to a temporal site.")
        batch, num_frames = image_only_indicator.shape
        height, width = hidden_states.shape[-2:]
        context = encoder_hidden_states.unflatten(0, (batch, num_frames))[:, 0]

        tokens = self.proj_in(self.norm(hidden_states).permute(0, 2, 3, 1).flatten(1, 2))
        embedding = self._embed_frames(num_frames, batch, tokens.dtype)
        for index, block in enumerate(self.transformer_blocks):
            tokens = self._maybe_checkpoint(block, tokens, None, encoder_hidden_states, None)
            mixed = self._maybe_checkpoint(
                self._temporal_branch,
                *(tokens, embedding, context, index, (batch, num_frames, height, width)),
                is_temporal=True,
            )
            tokens = self._blend(tokens, mixed, image_only_indicator)
        tokens = self.proj_out(tokens)
        images = tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        if images.device.type == "cpu":  # which adds faster what lies alike
            images = images.contiguous()
        output = hidden_states + images
        return TransformerTemporalModelOutput(sample=output) if return_dict else (output,)

    def _blend(self, spatial: Tensor, temporal: Tensor, image_only_indicator: Tensor) -> Tensor:
        mixer = self.time_mixer
        if spatial.device.type == "cpu" or spatial.dtype != temporal.dtype:  # as the base rounds
            return mixer(x_spatial=spatial, x_temporal=temporal, image_only_indicator=image_only_indicator)
        share = mixer.get_alpha(image_only_indicator, spatial.ndim).to(spatial.dtype)  # of the spatial one, in one pass
        if mixer.switch_spatial_to_temporal_mix:
            share = 1.0 - share
        return torch.lerp(temporal, spatial, share)

    def _embed_frames(self, num_frames: int, batch: int, dtype: torch.dtype) -> Tensor:
        # batch * frames rows, as many as the base embeds: fewer would round differently on some processors.
        rows = self.frame_table(num_frames).repeat(batch, 1).to(dtype)
        return self.time_pos_embed(rows)[:, None, :]

    def _temporal_branch(
        self, tokens: Tensor, embedding: Tensor, context: Tensor, index: int, shape: tuple[int, int, int, int]
    ) -> Tensor:
        batch, num_frames, height, width = shape
        if self.identity_convs is None:
            tokens = tokens + embedding
        else:
            video = tokens.view(batch, num_frames, height, width, -1).permute(0, 4, 1, 2, 3)
            added = embedding.view(batch, num_frames, 1, 1, -1).permute(0, 4, 1, 2, 3)
            tokens = self.identity_convs[index](video, added).permute(0, 2, 3, 4, 1).reshape(tokens.shape)
        return self.temporal_transformer_blocks[index](tokens, num_frames=num_frames, encoder_hidden_states=context)

    def _maybe_checkpoint(self, function: Any, *args: Any, is_temporal: bool = False) -> Tensor:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return self._gradient_checkpointing_func(function, *args)
        if torch.is_grad_enabled() and self.temporal_checkpointing and is_temporal:
            return checkpoint(function, *args, use_reentrant=False)
        return function(*args)
