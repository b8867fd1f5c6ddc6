"""The extended rotary positions of LTX-Video."""

import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoRotaryPosEmbed
from torch import Tensor

from exvideo_blocks.rotary import AngleOffsets, turned

_AXES = 3  # time, height, width: columns of a component, in pairs, side by side
_TIME = 0


class ExtendedLTXVideoRotaryPosEmbed(LTXVideoRotaryPosEmbed):
    """LTX-Video's rotary tables with the temporal columns turned by trainable offsets.

    Made by `exvideo_blocks.mount`, never constructed directly.

    Attributes:
        row_step: from row to row, in the base's units, at the frame rate that the offsets' start is for.
    """

    angle_offsets: AngleOffsets
    row_step: float

    def forward(
        self,
        hidden_states: Tensor,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        rope_interpolation_scale: tuple[float | Tensor, float, float] | None = None,
        video_coords: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Cosines and sines, each (batch, tokens, columns), of packed latents; the arguments are the base's.

        The first scale, seconds from row to row, may be one for each clip, (batch, 1, 1, 1, 1).

        Raises:
            ValueError: more frames than the extension has, or coordinates in place of numbers of frames.
        """
        if video_coords is not None or num_frames is None:
            raise ValueError(
                "An extended LTX-Video transformer was given video_coords, in which the frames that its offsets belong "
                "to cannot be told: give num_frames, height and width, as LTXPipeline and LTXImageToVideoPipeline do, "
                "or take the extension off (restore) for LTXConditionPipeline."
            )
        scale = rope_interpolation_scale
        step = 1.0 if scale is None else scale[0] * self.patch_size_t / self.base_num_frames
        stretch = (step[:, 0, 0] if isinstance(step, Tensor) else step) / self.row_step
        angles = self.angle_offsets(num_frames, hidden_states.device, stretch)
        cos, sin = super().forward(hidden_states, num_frames, height, width, scale)
        padding = self.dim % (2 * _AXES)
        cos_by_axis, sin_by_axis = (table[..., padding:].unflatten(-1, (-1, _AXES, 2)) for table in (cos, sin))
        by_token = angles.repeat_interleave(cos.shape[1] // num_frames, dim=-2)[..., None]
        new = turned(cos_by_axis[..., _TIME, :], sin_by_axis[..., _TIME, :], by_token)
        tables = (
            torch.cat([table[..., None, :], by_axis[..., _TIME + 1 :, :]], dim=-2).flatten(-3)
            for table, by_axis in zip(new, (cos_by_axis, sin_by_axis), strict=True)
        )
        new_cos, new_sin = tables
        return torch.cat([cos[..., :padding], new_cos], dim=-1), torch.cat([sin[..., :padding], new_sin], dim=-1)
