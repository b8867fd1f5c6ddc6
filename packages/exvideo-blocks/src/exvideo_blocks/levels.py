"""The levels: parts of a temporal site that adapt (ExVideo publishes `full`; the others are smaller cuts of it)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Level:
    """One level.

    Args:
        table: the tables of positions train, as at every level of `LEVELS`; if not, files hold them as they start.
        blocks: the base's temporal transformer blocks train whole, and with them the network that embeds positions.
        self_attention: the weights of the attention along frames train.
        lora: low-rank updates of those weights train in their place.
        norms: the norms of the temporal transformer blocks train.
        identity_conv: a 3x3x3 convolution that starts as the identity is added and trains; "dense" mixes channels,
            "depthwise" does not.
    """

    table: bool = True
    blocks: bool = False
    self_attention: bool = False
    lora: bool = False
    norms: bool = False
    identity_conv: Literal["dense", "depthwise"] | None = None

    def trains_in_block(self, name: str, self_attentions: tuple[str, ...]) -> bool:
        """True for a parameter of a temporal transformer block that this level adapts.

        Args:
            name: the parameter's name within the block, such as "attn1.to_q.weight".
            self_attentions: those of the block's attentions that attend along frames, by name.
        """
        part = name.partition(".")[0]
        return (
            self.blocks
            or (self.norms and part.startswith("norm"))
            or (self.self_attention and part in self_attentions)
            or (self.lora and name.rpartition(".")[2] in ("update_down", "update_up"))
        )


LEVELS = {
    "full": Level(blocks=True, identity_conv="dense"),
    "temporal": Level(blocks=True),
    "conv": Level(identity_conv="dense"),
    "attention": Level(self_attention=True, norms=True, identity_conv="depthwise"),
    "lora": Level(lora=True, norms=True),
    "position": Level(),
}
"""The levels by name, from the published one down: which parts of a temporal site each of them trains."""
