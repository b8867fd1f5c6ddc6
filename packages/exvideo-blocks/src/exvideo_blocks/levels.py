"""Which parts of a temporal site each level adapts (ExVideo publishes `full`; the others are smaller cuts of it)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One level. Every level trains the frame table.

    Args:
        temporal_blocks: the base's temporal transformer blocks and the network that embeds positions train.
        identity_conv: a 3x3x3 convolution that starts as the identity is added and trains.
    """

    temporal_blocks: bool
    identity_conv: bool


LEVELS = {
    "full": Level(temporal_blocks=True, identity_conv=True),
    "temporal": Level(temporal_blocks=True, identity_conv=False),
    "conv": Level(temporal_blocks=False, identity_conv=True),
    "position": Level(temporal_blocks=False, identity_conv=False),
}
