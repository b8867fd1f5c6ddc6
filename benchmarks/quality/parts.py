"""Levels that exvideo-blocks does not have: each part of a temporal site alone, and all of them but one."""

from dataclasses import dataclass

from exvideo_blocks import LEVELS
from exvideo_blocks.levels import Level

ATTENTION = ("norm1", "attn1")
FEED_FORWARD = ("norm_in", "ff_in", "norm3", "ff")
TO_CONDITIONS = ("norm2", "attn2")
EVERY = (*ATTENTION, *FEED_FORWARD, *TO_CONDITIONS)


@dataclass(frozen=True)
class Parts(Level):
    """A level by the parts of a temporal block that train.

    Args:
        inside: names of these parts.
    """

    inside: tuple[str, ...] = ()

    def trains_in_block(self, name: str, self_attentions: tuple[str, ...]) -> bool:
        """As `Level.trains_in_block`."""
        return name.partition(".")[0] in self.inside


def _without(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for part in EVERY if part not in parts)


# A level without its table keeps the positions that it starts from. `blocks` has the embedding of positions train.
PARTS = {
    "only-conv": Parts(table=False, identity_conv="dense"),
    "only-attention": Parts(table=False, inside=ATTENTION),
    "only-feed-forward": Parts(table=False, inside=FEED_FORWARD),
    "without-table": Parts(table=False, blocks=True, identity_conv="dense", inside=EVERY),
    "without-attention": Parts(blocks=True, identity_conv="dense", inside=_without(ATTENTION)),
    "without-feed-forward": Parts(blocks=True, identity_conv="dense", inside=_without(FEED_FORWARD)),
    "old-parts": Parts(table=False, blocks=True, inside=EVERY),
}


def register() -> None:
    """Makes these levels known to exvideo-blocks, and so to the trainer and to files, in this process."""
    LEVELS.update(PARTS)
