"""The extended rotary positions of Wan."""

from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor

from exvideo_blocks.rotary import AngleOffsets, turned_columns


class ExtendedWanRotaryPosEmbed(WanRotaryPosEmbed):
    """Wan's rotary tables with the temporal columns, the first `t_dim`, turned by trainable offsets.

    Made by `exvideo_blocks.mount`, never constructed directly.
    """

    angle_offsets: AngleOffsets

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, each (1, tokens, 1, columns), of latents (batch, channels, frames, height, width).

        Raises:
            ValueError: more frames than the extension has.
        """
        angles = self.angle_offsets(hidden_states.shape[2], self.freqs_cos.device)
        cos, sin = super().forward(hidden_states)
        return turned_columns(cos, sin, angles, token_axis=1)
