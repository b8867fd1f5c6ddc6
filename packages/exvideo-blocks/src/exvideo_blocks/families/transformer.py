"""The part that families of full-attention video transformers share: blocks, and one place of positions, are sites.

Such a transformer has no temporal blocks: its attention is over all tokens of a clip, and time enters by rotary
positions alone. Blocks keep their class, by which diffusers' caches and compilation find them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.family import check_class, check_unfused, plain_architecture
from exvideo_blocks.levels import LEVELS, Level
from exvideo_blocks.lora import add_updates
from exvideo_blocks.rotary import AngleOffsets
from exvideo_blocks.twins import twin_of, twin_with_own

_TABLES = ("angle_offsets.", "frame_table.")
_BLOCK = r"(^|\.)((single_)?transformer_)?blocks\.\d+\."
_GROUPS = {
    "LoRA": r"\.lora_[AB]\b",
    "angle offsets": r"(^|\.)angle_offsets\.",
    "frame tables": r"(^|\.)frame_table\.",
    "attention": _BLOCK + r"attn1?\.",
    "rest of the blocks": _BLOCK,
}
_LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


class TransformerFamily:
    """A family of full-attention video transformers of diffusers; a subclass says what is its own.

    Attributes:
        LATENT_STRIDE: frames that the autoencoder makes one latent frame of, all but the first, which is by itself.
        CLIP_STRIDE: clips have a multiple of so many frames and one; 0 stands for `LATENT_STRIDE`.
        TRAINED_FRAMES: usual length of its base models.
        BLOCKS: lists of blocks, by name.
        ATTENTION: the attention over all tokens of a clip, by its name in a block.
        CHANGES_BLOCKS: blocks are changed at the level `position`, too.
        CHECKPOINTS_TIME: no block is temporal, so that activations of temporal ones alone cannot be computed anew.
        NOT_ARCHITECTURE: options of the model's config that do not decide whether an extension's tensors fit.
    """

    NAME = ""
    PIPELINE_TAG = "text-to-video"
    SUBFOLDER = "transformer"
    LEVELS = ("position", "lora", "attention", "full")
    GROUPS: Mapping[str, str] = _GROUPS
    LATENT_STRIDE = 4
    CLIP_STRIDE = 0
    TRAINED_FRAMES = 0
    BLOCKS: tuple[str, ...] = ("transformer_blocks",)
    ATTENTION = "attn1"
    CHANGES_BLOCKS = False
    CHECKPOINTS_TIME = False
    NOT_ARCHITECTURE: frozenset[str] = frozenset()

    def model_class(self) -> type[nn.Module]:
        """The class of its models, in diffusers."""
        raise NotImplementedError

    def base_frames(self, model: Any) -> int:
        """Frames that the published models were trained at, which no config says; `base_frames` overrules it."""
        return self.TRAINED_FRAMES

    def can_run(self, model: Any, num_frames: int) -> bool:
        """True: positions are computed for any length."""
        return True

    def rows(self, num_frames: int) -> int:
        """Latent frames of a clip: the first frame's own, and one more for every `LATENT_STRIDE` frames after it.

        Raises:
            ValueError: the autoencoder makes no clip of so many frames; the message names the nearest that it does.
        """
        stride = self.CLIP_STRIDE or self.LATENT_STRIDE
        whole, rest = divmod(num_frames - 1, stride)
        if rest or num_frames < 1:
            below = max(whole, 0) * stride + 1
            raise ValueError(
                f"num_frames={num_frames} is no length of {self.NAME} clips, which is a multiple of {stride} and one: "
                f"give {below} or {below + stride}."
            )
        return (num_frames - 1) // self.LATENT_STRIDE + 1

    def architecture(self, model: Any) -> dict[str, Any]:
        """The part of the model's config that decides whether an extension's tensors fit, as plain JSON values."""
        return plain_architecture(model.config, set(self.NOT_ARCHITECTURE))

    def position_site(self) -> str:
        """Name, in the model, of the module whose stand-in turns the positions."""
        return "rope"

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        """The module of positions and every block, by name in the model."""
        lists = [(at, block) for at in self.BLOCKS for block in model.get_submodule(at).named_children()]
        positions = self.position_site()
        return {positions: model.get_submodule(positions)} | {f"{at}.{name}": block for at, (name, block) in lists}

    def extended_positions(self, site: Any, config: ExtensionConfig, known_rows: int, num_rows: int) -> nn.Module:
        """The stand-in for the module of positions, which holds their offsets."""
        raise NotImplementedError

    def block_classes(self) -> tuple[type[nn.Module], ...]:
        """Classes of its blocks, in diffusers."""
        raise NotImplementedError

    def extended_site(self, site: Any, config: ExtensionConfig, known_frames: int) -> nn.Module:
        """A stand-in for the module of positions or for a block, which is left as it was; a block keeps its class.

        At the level `position` a block stands for itself, unless the family changes it.

        Raises:
            ValueError: the site is of a class that the stand-in does not compute for, or carries what cannot be shared.
        """
        if not isinstance(site, self.block_classes()):
            return self.extended_positions(site, config, self.rows(known_frames), self.rows(config.num_frames))
        level = LEVELS[config.level]
        check_class(site, next(kind for kind in self.block_classes() if isinstance(site, kind)))
        if not (level.blocks or level.self_attention or level.lora or self.CHANGES_BLOCKS):
            return site
        attention = getattr(site, self.ATTENTION)
        check_unfused(attention)
        extended = twin_with_own(site, lambda name: self._trains(name, level))
        if level.lora:
            names = {name for name, _ in attention.named_modules()}
            targets = [f"{self.ATTENTION}.{part}" for part in _LORA_TARGETS if part in names]
            add_updates(extended, targets, config.lora_rank)
        self.change_block(extended)
        block: nn.Module = extended
        return block

    def change_block(self, block: Any) -> None:
        """Changes a twin of a block, in place; of most families nothing. Called at every level if `CHANGES_BLOCKS`."""

    def _trains(self, name: str, level: Level) -> bool:
        """True for a parameter of a block that the level adapts. The attention's norms train with its weights."""
        return (
            level.blocks
            or (level.self_attention and name.startswith(f"{self.ATTENTION}."))
            or (level.lora and name.rpartition(".")[2] in ("update_down", "update_up"))
        )

    def adapted_names(self, site: Any, level_name: str) -> list[str]:
        """Names, within an extended site, of the parameters that the level adapts."""
        level, is_block = LEVELS[level_name], isinstance(site, self.block_classes())
        return [
            name for name, _ in site.named_parameters()
            if (self._trains(name, level) if is_block else name.startswith(_TABLES))
        ]  # fmt: skip

    def dead_names(self, names: Iterable[str], context_tokens: int | None) -> list[str]:
        """None: whatever the model is conditioned on, all of a block takes part."""
        return []


def twin_with_offsets(
    site: Any,
    cls: type[nn.Module],
    frequencies: Sequence[float],
    config: ExtensionConfig,
    known_rows: int,
    num_rows: int,
) -> Any:
    """A stand-in of a class for a module of rotary positions, with offsets of their angles.

    Args:
        site: the base's module.
        cls: a subclass of its class.
        frequencies: radians a row of the base's temporal components.
        config: `positions` is taken from it.
        known_rows: temporal rows that the base was trained at.
        num_rows: temporal rows of the longest clip.
    """
    extended = twin_of(site, cls)
    device = next((tensor.device for tensor in (*site.parameters(), *site.buffers())), torch.device("cpu"))
    offsets = AngleOffsets(frequencies, known_rows, num_rows, config.positions, device)
    extended.add_module("angle_offsets", offsets)
    return extended


def check_patches(found: int, family: str) -> None:
    """Raises ValueError if a transformer makes one token of several latent frames."""
    if found != 1:
        raise ValueError(
            f"A {family} transformer with patches of {found} latent frames is not known here, as all others have a row "
            "of tokens for each: give one with patches of 1."
        )
