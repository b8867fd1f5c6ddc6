"""The family of HunyuanVideo's transformer."""

from typing import Any

from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.family import check_class
from exvideo_blocks.families.flow import FlowObjective, flow_objective
from exvideo_blocks.families.transformer import TransformerFamily, check_patches, twin_with_offsets
from exvideo_blocks.frequencies import rotary_frequencies

_GUIDANCE_TIMES = 1000.0  # as the pipeline tells the network of it


class HunyuanVideo(TransformerFamily):
    """HunyuanVideo: rotary positions in a module of the transformer, flow matching with a shift of 7."""

    NAME = "hunyuan_video"
    TRAINED_FRAMES = 129
    BLOCKS = ("transformer_blocks", "single_transformer_blocks")
    ATTENTION = "attn"

    def model_class(self) -> type[nn.Module]:
        """diffusers' HunyuanVideoTransformer3DModel."""
        from diffusers import HunyuanVideoTransformer3DModel

        return HunyuanVideoTransformer3DModel

    def block_classes(self) -> tuple[type[nn.Module], ...]:
        """Blocks of two streams and of one, and those that tell the tokens of a given first frame apart."""
        from diffusers.models.transformers import transformer_hunyuan_video as module

        return (
            module.HunyuanVideoTransformerBlock,
            module.HunyuanVideoSingleTransformerBlock,
            module.HunyuanVideoTokenReplaceTransformerBlock,
            module.HunyuanVideoTokenReplaceSingleTransformerBlock,
        )

    def extended_positions(self, site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
        """A twin of `rope`.

        Raises:
            ValueError: it is of another class, or has patches of several latent frames.
        """
        from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoRotaryPosEmbed

        from exvideo_blocks.families.hunyuan_video.rope import ExtendedHunyuanVideoRotaryPosEmbed

        check_class(site, HunyuanVideoRotaryPosEmbed)
        check_patches(site.patch_size_t, "HunyuanVideo")
        frequencies = rotary_frequencies(site.theta, site.rope_dim[0])
        extended: nn.Module = twin_with_offsets(
            site, ExtendedHunyuanVideoRotaryPosEmbed, frequencies, config, known_rows, num_rows
        )
        return extended

    def objective(self, scheduler: Any, **settings: Any) -> FlowObjective:
        """Flow matching with the scheduler's shift.

        Raises:
            ValueError: the scheduler samples no flow, or a setting is unknown.
        """
        return flow_objective(scheduler, "HunyuanVideo", settings)

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        """The network's v.

        Args:
            network: a HunyuanVideoTransformer3DModel or a wrapper of one.
            model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
            time: 1000 sigma, (batch,) or a scalar.
            conditions: `tokens` (batch, tokens, dimension), of the text; `tokens_mask` (batch, tokens), 1 where one
                is; `pooled` (batch, dimension), of the text as a whole; and of a network that embeds it,
                `guidance` (batch,), else None.

        Returns:
            (batch, frames, channels, height, width).
        """
        dtype, guidance = model_input.dtype, getattr(conditions, "guidance", None)
        v: Tensor = network(
            hidden_states=model_input.transpose(1, 2),
            timestep=time.expand(model_input.shape[0]),
            encoder_hidden_states=conditions.tokens.to(dtype),
            encoder_attention_mask=conditions.tokens_mask,
            pooled_projections=conditions.pooled.to(dtype),
            guidance=None if guidance is None else guidance.to(dtype) * _GUIDANCE_TIMES,
            return_dict=False,
        )[0]
        return v.transpose(1, 2)
