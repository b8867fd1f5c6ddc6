"""The family of Wan's transformer."""

from typing import Any

from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.family import check_class
from exvideo_blocks.families.flow import FlowObjective, flow_objective, with_first_frame
from exvideo_blocks.families.transformer import TransformerFamily, check_patches, twin_with_offsets
from exvideo_blocks.frequencies import rotary_frequencies

THETA = 10000.0
# Wan 2.2's TI2V-5B alone has latents of 48 channels; it was trained at 121 frames, all others at 81.
_CHANNELS_OF_5B, _FRAMES_OF_5B = 48, 121
_PATCH = 2  # height and width of a token, in latents


class Wan(TransformerFamily):
    """Wan: rotary positions in a module of the transformer, flow matching with a shift of 3 (480p) or 5 (720p).

    Of a mixture of two experts (Wan 2.2 A14B), each is a model with an extension of its own.
    """

    NAME = "wan"
    TRAINED_FRAMES = 81
    BLOCKS = ("blocks",)
    NOT_ARCHITECTURE = frozenset({"rope_max_seq_len"})

    def model_class(self) -> type[nn.Module]:
        """diffusers' WanTransformer3DModel."""
        from diffusers import WanTransformer3DModel

        return WanTransformer3DModel

    def block_classes(self) -> tuple[type[nn.Module], ...]:
        """diffusers' WanTransformerBlock."""
        from diffusers.models.transformers.transformer_wan import WanTransformerBlock

        return (WanTransformerBlock,)

    def base_frames(self, model: Any) -> int:
        """81, or 121 of Wan 2.2's TI2V-5B."""
        return _FRAMES_OF_5B if model.config.out_channels == _CHANNELS_OF_5B else self.TRAINED_FRAMES

    def can_run(self, model: Any, num_frames: int) -> bool:
        """True up to the rows of the stored rotary table."""
        return self.rows(num_frames) <= int(model.config.rope_max_seq_len)

    def extended_positions(self, site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
        """A twin of `rope`.

        Raises:
            ValueError: it is of another class, has patches of several latent frames, or stores too few rows.
        """
        from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

        from exvideo_blocks.families.wan.rope import ExtendedWanRotaryPosEmbed

        check_class(site, WanRotaryPosEmbed)
        check_patches(site.patch_size[0], "Wan")
        if num_rows > site.max_seq_len:
            raise ValueError(
                f"num_frames={config.num_frames} takes {num_rows} rows of positions, and the base stores "
                f"{site.max_seq_len}: give at most {self.LATENT_STRIDE * (site.max_seq_len - 1) + 1} frames."
            )
        frequencies = rotary_frequencies(THETA, site.t_dim)
        extended: nn.Module = twin_with_offsets(
            site, ExtendedWanRotaryPosEmbed, frequencies, config, known_rows, num_rows
        )
        return extended

    def objective(self, scheduler: Any, **settings: Any) -> FlowObjective:
        """Flow matching with the scheduler's shift. `given_frames=1` is image to video as in TI2V-5B.

        Raises:
            ValueError: the scheduler samples no flow, or a setting is unknown.
        """
        return flow_objective(scheduler, "Wan", settings)

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        """The network's v.

        Args:
            network: a WanTransformer3DModel or a wrapper of one.
            model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
            time: 1000 sigma: (batch,), (batch, frames), or a scalar.
            conditions: `tokens` (batch, tokens, dimension), of the text; `first_frame` (batch, channels, height,
                width), latents, or None. Where it is given, it stands in the first frame, whose time is 0.

        Returns:
            (batch, frames, channels, height, width).
        """
        first_frame = getattr(conditions, "first_frame", None)
        if first_frame is not None:
            model_input, time = with_first_frame(model_input, time, first_frame)
        time = time.expand(model_input.shape[0]) if time.ndim == 0 else time
        if time.ndim == 2:  # one a token
            tokens = (model_input.shape[-2] // _PATCH) * (model_input.shape[-1] // _PATCH)
            time = time.repeat_interleave(tokens, dim=1)
        v: Tensor = network(
            hidden_states=model_input.transpose(1, 2),
            timestep=time,
            encoder_hidden_states=conditions.tokens.to(model_input.dtype),
            return_dict=False,
        )[0]
        return v.transpose(1, 2)
