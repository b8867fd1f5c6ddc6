"""Attention along time whose slow part sees all frames, and whose fast part sees near ones: our reading of FreeLong.

Lu et al. (arXiv 2407.19918) attend twice, to all frames and to a window as long as the model was trained for, and join
the low frequencies of the first answer with the high ones of the second. Their Gaussian filter, of a cut-off a quarter
of the highest frequency, is one of time and of both axes of the picture. Ours is of time alone: here attention is asked
pixel by pixel, and the pictures are of 8x8 latents. Nothing was tuned.
"""

from typing import Any

import torch
from torch import Tensor

from tiny_world.system.causes import NearFrames

CUT_OFF = 0.25  # of the highest frequency, the authors'
REACH = 4  # frames: those nearer are seen, seven with a frame itself, where the base was trained with eight


def low_pass(num_frames: int, cut_off: float = CUT_OFF) -> Tensor:
    """A Gaussian's weights of the frequencies of a real transform of so many frames, (num_frames // 2 + 1,).

    Args:
        num_frames: of the clip.
        cut_off: the Gaussian's deviation, as a share of the highest frequency.
    """
    share = torch.fft.rfftfreq(num_frames) / 0.5
    return torch.exp(-0.5 * (share / cut_off).square())


class SpectralBlend:
    """An attention processor for temporal attention.

    Args:
        reach: frames less far than this are near.
    """

    def __init__(self, reach: int = REACH) -> None:
        self._near = NearFrames(reach)

    def __call__(self, attn: Any, hidden_states: Tensor, **others: Any) -> Tensor:
        """Hidden states (rows, frames, channels), the slow part of attention to all frames and the fast of the near."""
        near = self._near(attn, hidden_states, **others)
        every = self._near.whole(attn, hidden_states, **others)
        frames = hidden_states.shape[1]
        slow = torch.fft.rfft((every - near).float(), dim=1) * low_pass(frames).to(near.device)[:, None]
        return near + torch.fft.irfft(slow, n=frames, dim=1).to(near)


def blend_attention(pipe: Any) -> None:
    """Gives every temporal self-attention of a pipeline's network the processor, in place."""
    for name, module in pipe.unet.named_modules():
        if name.endswith(".attn1") and ".temporal_transformer_blocks." in name:
            module.set_processor(SpectralBlend())
