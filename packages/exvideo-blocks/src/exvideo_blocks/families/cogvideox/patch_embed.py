"""The extended patch embedding of CogVideoX-2b, which adds positions to its tokens."""

import torch
from diffusers.models.embeddings import CogVideoXPatchEmbed
from torch import Tensor

from exvideo_blocks.layers import FrameTable


class ExtendedCogVideoXPatchEmbed(CogVideoXPatchEmbed):
    """The patch embedding with a frame table in the temporal columns, the first quarter, of its positions.

    Made by `exvideo_blocks.mount`, never constructed directly.
    """

    frame_table: FrameTable

    @property
    def pos_embedding(self) -> Tensor:
        """Positions of clips of the base's own length and size, which the base keeps ready."""
        device = self.frame_table.weight.device
        return self._get_positional_embeddings(self.sample_height, self.sample_width, self.sample_frames, device)

    def _get_positional_embeddings(
        self, sample_height: int, sample_width: int, sample_frames: int, device: torch.device | None = None
    ) -> Tensor:
        """Positions (1, text tokens + tokens, columns); those of the text are zero. Sizes are those of latents.

        Raises:
            ValueError: more frames than the extension has.
        """
        rows = (sample_frames - 1) // self.temporal_compression_ratio + 1
        base: Tensor = super()._get_positional_embeddings(sample_height, sample_width, sample_frames, device)
        text, patches = base.split([self.max_text_seq_length, base.shape[1] - self.max_text_seq_length], dim=1)
        table = self.frame_table(rows).to(base)
        temporal = table.repeat_interleave(patches.shape[1] // rows, dim=0)[None]
        return torch.cat([text, torch.cat([temporal, patches[..., table.shape[1] :]], dim=-1)], dim=1)
