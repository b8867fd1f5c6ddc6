"""The extended motion module of AnimateDiff: the base's own modules with trainable positions.

Its classes are subclasses of those they stand in for and share their submodules and parameter names.
"""

from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock, FreeNoiseTransformerBlock, _chunked_feed_forward
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from exvideo_blocks.layers import FrameTable


class ExtendedMotionBlock(BasicTransformerBlock):
    """diffusers' block of a motion module, with a frame table for each of the two uses of the fixed embedding."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Args:
            hidden_states: (batch * positions, frames, channels).

        Returns:
            (batch * positions, frames, channels).

        Raises:
            ValueError: more frames than the extension has.
        """
        num_frames = hidden_states.shape[1]
        placed = self.norm1(hidden_states) + self._rows(self.frame_table1, num_frames)
        hidden_states = self.attn1(placed) + hidden_states
        placed = self.norm2(hidden_states) + self._rows(self.frame_table2, num_frames)
        hidden_states = self.attn2(placed) + hidden_states
        return self._feed(self.norm3(hidden_states)) + hidden_states

    def _rows(self, table: FrameTable, num_frames: int) -> Tensor:
        # A table that trains in fp32 beside a base in bf16 gives what the base's own embedding would, so that mixed
        # precision promotes as it does there; that embedding is a buffer, though, which DeepSpeed leaves in fp32.
        rows, base = table(num_frames), self.pos_embed.pe.dtype
        return rows.to(base) if base.itemsize < rows.dtype.itemsize else rows

    def _feed(self, tokens: Tensor) -> Tensor:
        if self._chunk_size is None:
            return self.ff(tokens)
        return _chunked_feed_forward(self.ff, tokens, self._chunk_dim, self._chunk_size)


class ExtendedMotionBlocks(nn.ModuleList):
    """The blocks of an extended motion module, none of which FreeNoise can take the place of."""

    def __setitem__(self, index: int, module: nn.Module) -> None:
        if isinstance(module, FreeNoiseTransformerBlock):
            raise ValueError(
                "FreeNoise replaces the motion blocks by its own, without what an extension has learnt, and an "
                "extended model needs no windows: call disable_free_noise() on the pipeline, which has noted it down "
                "already; or take the extension off (restore) to use FreeNoise. No block was replaced."
            )
        super().__setitem__(index, module)


class ExtendedAnimateDiffTransformer3D(AnimateDiffTransformer3D):
    """A motion module with frame tables in its blocks and, at some levels, an identity convolution before them.

        tokens = proj_in(norm(x))
        tokens = identity_conv(tokens)
        tokens = blocks(tokens)              each adds a frame table after norm1 and another after norm2
        output = x + proj_out(tokens)        the residual does not see the convolution, as in SVD's sites

    Positions are added inside each attention, where height and width are not known, so the convolution cannot follow
    them; it comes first, where the layout is. Made by `exvideo_blocks.mount`, never constructed directly.
    """

    temporal_checkpointing = False  # of what is temporal alone, beside diffusers' gradient_checkpointing

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        timestep: Tensor | None = None,
        class_labels: Tensor | None = None,
        num_frames: int = 1,
        cross_attention_kwargs: dict[str, Any] | None = None,
    ) -> Tensor:
        """Args:
            hidden_states: (batch * frames, channels, height, width).
            num_frames: frames a clip. The other arguments are the base's, which diffusers' UNetMotionModel never gives.

        Returns:
            (batch * frames, channels, height, width).

        Raises:
            ValueError: more frames than the extension has.
        """
        video = hidden_states.unflatten(0, (-1, num_frames)).transpose(1, 2)
        batch, channels, _, height, width = video.shape
        tokens = self.norm(video).permute(0, 3, 4, 2, 1).reshape(-1, num_frames, channels)
        # By keyword, as the base calls them: diffusers' SplitInferenceModule splits what is given so.
        tokens = self._convolve(self.proj_in(input=tokens), (batch, height, width))
        for block in self.transformer_blocks:
            tokens = self._maybe_checkpoint(block, tokens)
        tokens = self.proj_out(input=tokens).view(batch, height, width, num_frames, channels)
        return tokens.permute(0, 3, 4, 1, 2).contiguous().view(hidden_states.shape) + hidden_states

    def _convolve(self, tokens: Tensor, shape: tuple[int, int, int]) -> Tensor:
        if self.identity_conv is None:
            return tokens
        video = tokens.unflatten(0, shape).permute(0, 4, 3, 1, 2)
        return self.identity_conv(video).permute(0, 3, 4, 2, 1).reshape(tokens.shape)

    def _maybe_checkpoint(self, block: Any, tokens: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return self._gradient_checkpointing_func(block, tokens)
        if torch.is_grad_enabled() and self.temporal_checkpointing:
            return checkpoint(block, tokens, use_reentrant=False)
        return block(hidden_states=tokens)
