"""The extended rotary positions of HunyuanVideo."""

from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoRotaryPosEmbed
from torch import Tensor

from exvideo_blocks.rotary import AngleOffsets, turned_columns


class ExtendedHunyuanVideoRotaryPosEmbed(HunyuanVideoRotaryPosEmbed):
    """HunyuanVideo's rotary tables with the temporal columns, the first ones, turned by trainable offsets.

    Made by `exvideo_blocks.mount`, never constructed directly.
    """

    angle_offsets: AngleOffsets

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, each (tokens, columns), of latents (batch, channels, frames, height, width).

        Raises:
            ValueError: more frames than the extension has.
        """
        angles = self.angle_offsets(hidden_states.shape[2], hidden_states.device)
        cos, sin = super().forward(hidden_states)
        return turned_columns(cos, sin, angles, token_axis=0)
