"""The transformer: diffusers' WanTransformer3DModel in a small size, with a family of its own.

Wan's autoencoder makes a latent row of four frames, the embedded one a row of each. That is all that is other than in
the family `wan`, and families are told apart by the class of their models: so this one has a name of its own.
"""

from diffusers import UniPCMultistepScheduler, WanTransformer3DModel
from exvideo_blocks import register_family
from exvideo_blocks.families.wan import Wan
from torch import nn

from tiny_world.system.encoders import WIDTH as TEXT_WIDTH
from tiny_world.system.vae import LATENT_CHANNELS

NUM_FRAMES = 8  # that it is trained at
ROWS = 64  # of its rotary table: as far as it can be run
PATCH = 2  # latents along the side of a token, as in Wan: 16 tokens a frame of 8x8 latents
SHIFT = 3.0  # of noise levels, Wan's own at 480p
HEADS, HEAD_WIDTH, LAYERS, FEED_FORWARD, TIME_WIDTH = 4, 32, 4, 256, 64


class TinyWanTransformer(WanTransformer3DModel):
    """Wan's transformer, under another name: nothing is added, and its files load as a `WanTransformer3DModel`."""


class TinyWan(Wan):
    """The family of `TinyWanTransformer`: Wan's, with a latent row a frame."""

    NAME = "tiny-wan"
    PIPELINE_TAG = "image-to-video"
    LATENT_STRIDE = 1
    TRAINED_FRAMES = NUM_FRAMES

    def model_class(self) -> type[nn.Module]:
        """TinyWanTransformer."""
        return TinyWanTransformer


FAMILY = TinyWan()
register_family(FAMILY)


def build_network() -> TinyWanTransformer:
    """An untrained network of 0.96 million parameters that answers zero, drawn from the global random state."""
    network = TinyWanTransformer(
        patch_size=(1, PATCH, PATCH),
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_WIDTH,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=TEXT_WIDTH,
        freq_dim=TIME_WIDTH,
        ffn_dim=FEED_FORWARD,
        num_layers=LAYERS,
        rope_max_seq_len=ROWS,
    )
    nn.init.zeros_(network.proj_out.weight)
    nn.init.zeros_(network.proj_out.bias)
    return network


def build_scheduler() -> UniPCMultistepScheduler:
    """Wan's own: UniPC along a flow, shifted."""
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT)
