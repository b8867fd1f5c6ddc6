"""The family of CogVideoX's transformer."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.cogvideox.positions import rotary_positions, turn_given_positions
from exvideo_blocks.families.discrete import VelocityObjective
from exvideo_blocks.families.family import check_class
from exvideo_blocks.families.objective import check_prediction, make_objective
from exvideo_blocks.families.transformer import TransformerFamily, check_patches, twin_with_offsets
from exvideo_blocks.frequencies import rotary_frequencies
from exvideo_blocks.layers import FrameTable
from exvideo_blocks.positions import position_ids
from exvideo_blocks.twins import twin_of

THETA = 10000.0
_TEMPORAL_SHARE = 4  # a quarter of all columns, the first ones, is temporal


class CogVideoX(TransformerFamily):
    """CogVideoX: v-prediction at whole timesteps; rotary positions come to the model as an argument (5b).

    Their offsets stand in the twin of `patch_embed`, and `rewrite_inputs` turns the argument. In 2b, whose positions
    are added there, it is a frame table.
    """

    NAME = "cogvideox"
    CLIP_STRIDE = 8  # the autoencoder decodes latent frames in pairs after the first: of an even number it makes others
    CHANGES_BLOCKS = True
    NOT_ARCHITECTURE = frozenset({"sample_width", "sample_height", "sample_frames"})
    rewrite_inputs = staticmethod(turn_given_positions)

    def __init__(self) -> None:
        # Columns of a head, of the model that a patch embedding is in: by itself it does not know.
        self._head_columns: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()

    def model_class(self) -> type[nn.Module]:
        """diffusers' CogVideoXTransformer3DModel."""
        from diffusers import CogVideoXTransformer3DModel

        return CogVideoXTransformer3DModel

    def block_classes(self) -> tuple[type[nn.Module], ...]:
        """diffusers' CogVideoXBlock."""
        from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock

        return (CogVideoXBlock,)

    def base_frames(self, model: Any) -> int:
        """Frames that the base model was trained at."""
        return int(model.config.sample_frames)

    def position_site(self) -> str:
        """The patch embedding."""
        return "patch_embed"

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        """The patch embedding and every block, by name in the model."""
        config: Any = model.config
        self._head_columns[model.get_submodule(self.position_site())] = config.attention_head_dim
        return super().find_sites(model)

    def extended_positions(self, site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
        """A twin of `patch_embed`.

        Raises:
            ValueError: it is of another class, has patches of several latent frames (CogVideoX 1.5), or positions that
                were learned (5b-I2V); or the positions change frequencies, which those of 2b do not have.
        """
        from diffusers.models.embeddings import CogVideoXPatchEmbed

        check_class(site, CogVideoXPatchEmbed)
        check_patches(1 if site.patch_size_t is None else site.patch_size_t, "CogVideoX")
        if site.use_learned_positional_embeddings:
            raise ValueError(
                "This CogVideoX transformer adds positions that it learned for clips of one length and size (5b-I2V), "
                "and diffusers has none for longer ones: extend CogVideoX-2b or -5b."
            )
        if site.use_positional_embeddings:
            return _with_frame_table(site, config, known_rows, num_rows)
        frequencies = rotary_frequencies(THETA, self._head_columns[site] // _TEMPORAL_SHARE)
        extended: nn.Module = twin_with_offsets(site, CogVideoXPatchEmbed, frequencies, config, known_rows, num_rows)
        return extended

    def change_block(self, block: Any) -> None:
        """Gives a block's attention a processor whose positions can learn.

        Raises:
            ValueError: it has another than diffusers' own.
        """
        from diffusers.models.attention_processor import CogVideoXAttnProcessor2_0

        from exvideo_blocks.families.cogvideox.processor import LearnablePositionsProcessor

        found = block.attn1.processor
        if type(found) is not CogVideoXAttnProcessor2_0:
            raise ValueError(
                f"An attention of this CogVideoX transformer has a {type(found).__name__}, and an extension would put "
                "its own in its place: call model.set_attn_processor with diffusers' CogVideoXAttnProcessor2_0()."
            )
        block.attn1.processor = LearnablePositionsProcessor()

    def objective(self, scheduler: Any, **settings: Any) -> VelocityObjective:
        """v-prediction at the scheduler's timesteps.

        Raises:
            ValueError: the scheduler does not take the network's output for v, or a setting is unknown.
        """
        check_prediction(scheduler, "v_prediction", "CogVideoX")
        alphas = scheduler.alphas_cumprod.float()  # fp64 in the scheduler of CogVideoX
        made: VelocityObjective = make_objective(VelocityObjective, settings, alphas_cumprod=alphas)
        return made

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        """The network's v.

        Args:
            network: a CogVideoXTransformer3DModel or a wrapper of one, with it as `module`.
            model_input: (batch, frames, channels, height, width), in the dtype that the network computes in.
            time: a timestep, (batch,) or a scalar.
            conditions: `tokens` (batch, tokens, dimension), of the text.

        Returns:
            (batch, frames, channels, height, width).
        """
        config = getattr(network, "module", network).config
        v: Tensor = network(
            hidden_states=model_input,
            encoder_hidden_states=conditions.tokens.to(model_input.dtype),
            timestep=time.expand(model_input.shape[0]),
            image_rotary_emb=rotary_positions(config, model_input.shape, model_input.device),
            return_dict=False,
        )[0]
        return v


def _with_frame_table(site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
    from diffusers.models.embeddings import get_1d_sincos_pos_embed_from_grid

    from exvideo_blocks.families.cogvideox.patch_embed import ExtendedCogVideoXPatchEmbed

    ids = position_ids(config.positions, known_rows, num_rows, "CogVideoX-2b")
    grid = torch.tensor(ids, dtype=torch.float32) / site.temporal_interpolation_scale
    rows = get_1d_sincos_pos_embed_from_grid(site.embed_dim // _TEMPORAL_SHARE, grid, output_type="pt")
    extended = twin_of(site, ExtendedCogVideoXPatchEmbed)
    extended.add_module("frame_table", FrameTable(rows.to(site.proj.weight)))
    module: nn.Module = extended
    return module
