"""The family of LTX-Video's transformer."""

import math
from typing import Any

from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.family import check_class
from exvideo_blocks.families.flow import FlowObjective, flow_objective, with_first_frame
from exvideo_blocks.families.transformer import TransformerFamily, check_patches, twin_with_offsets

FRAME_RATE = 25  # of the clips that it was trained on, frames a second
_SPATIAL_STRIDE = 32  # pixels a latent


class LTX(TransformerFamily):
    """LTX-Video: rotary positions in seconds, interleaved with those of height and width; flow matching.

    The shift of the noise levels grows with the tokens of a clip, of which a latent is one.
    """

    NAME = "ltx"
    TRAINED_FRAMES = 257
    LATENT_STRIDE = 8

    def model_class(self) -> type[nn.Module]:
        """diffusers' LTXVideoTransformer3DModel."""
        from diffusers import LTXVideoTransformer3DModel

        return LTXVideoTransformer3DModel

    def block_classes(self) -> tuple[type[nn.Module], ...]:
        """diffusers' LTXVideoTransformerBlock."""
        from diffusers.models.transformers.transformer_ltx import LTXVideoTransformerBlock

        return (LTXVideoTransformerBlock,)

    def extended_positions(self, site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
        """A twin of `rope`.

        Raises:
            ValueError: it is of another class, or has patches of several latent frames.
        """
        from diffusers.models.transformers.transformer_ltx import LTXVideoRotaryPosEmbed

        from exvideo_blocks.families.ltx.rope import ExtendedLTXVideoRotaryPosEmbed

        check_class(site, LTXVideoRotaryPosEmbed)
        check_patches(site.patch_size_t, "LTX-Video")
        step = self.LATENT_STRIDE / FRAME_RATE / site.base_num_frames
        extended: Any = twin_with_offsets(
            site, ExtendedLTXVideoRotaryPosEmbed, ltx_frequencies(site, step), config, known_rows, num_rows
        )
        extended.row_step = step
        module: nn.Module = extended
        return module

    def objective(self, scheduler: Any, **settings: Any) -> FlowObjective:
        """Flow matching, shifted by the clip's tokens. `given_frames=1` is image to video.

        Raises:
            ValueError: the scheduler samples no flow, or a setting is unknown.
        """
        return flow_objective(scheduler, "LTX-Video", settings)

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        """The network's v.

        Args:
            network: an LTXVideoTransformer3DModel or a wrapper of one.
            model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
            time: 1000 sigma: (batch,), (batch, frames), or a scalar.
            conditions: `tokens` (batch, tokens, dimension), of the text; `tokens_mask` (batch, tokens), 1 where one
                is; `frame_rate`, frames a second, (batch,) or a number, 25 where it is left out; `first_frame` (batch,
                channels, height, width), latents, or None. Where it is given, it stands in the first frame, whose time
                is 0.

        Returns:
            (batch, frames, channels, height, width).
        """
        first_frame = getattr(conditions, "first_frame", None)
        if first_frame is not None:
            model_input, time = with_first_frame(model_input, time, first_frame)
        batch, frames, _, height, width = model_input.shape
        time = time.expand(batch) if time.ndim == 0 else time
        if time.ndim == 2:  # one a token
            time = time.repeat_interleave(height * width, dim=1)
        rate = getattr(conditions, "frame_rate", FRAME_RATE)
        seconds = self.LATENT_STRIDE / (rate.view(-1, 1, 1, 1, 1) if isinstance(rate, Tensor) else rate)
        v: Tensor = network(
            hidden_states=model_input.permute(0, 1, 3, 4, 2).flatten(1, 3),
            encoder_hidden_states=conditions.tokens.to(model_input.dtype),
            timestep=time,
            encoder_attention_mask=conditions.tokens_mask,
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=(seconds, _SPATIAL_STRIDE, _SPATIAL_STRIDE),
            return_dict=False,
        )[0]
        return v.unflatten(1, (frames, height, width)).permute(0, 1, 4, 2, 3)


def ltx_frequencies(rope: Any, step: float) -> list[float]:
    """Radians a row of the temporal components, slowest first: pi step theta^(j / (n - 1)).

    Args:
        rope: LTXVideoRotaryPosEmbed, of n components an axis.
        step: from row to row, in units of the longest clip that the positions were made for.
    """
    components = rope.dim // 6
    last = max(components - 1, 1)
    return [math.pi * step * rope.theta ** (component / last) for component in range(components)]
