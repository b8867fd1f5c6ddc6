"""The contract of a kind of video model. docs/adding-a-family.md shows one from end to end."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from exvideo_blocks.config import ExtensionConfig
from exvideo_blocks.families.objective import Objective


class Family(Protocol):
    """One kind of video model: a module with these names, or an object.

    Where positions come to the model as an argument, the family has `rewrite_inputs(model, args, kwargs)`, too, which
    returns the arguments of the extended model's forward pass in place of the caller's: a forward pre-hook. Where the
    model is told a frame rate, `tell_frame_rate(share, model, args, kwargs)` returns them with that share of it.

    Attributes:
        NAME: its name in extension files.
        PIPELINE_TAG: the task of its models, as the Hugging Face hub calls it: "image-to-video", "text-to-video", ...
        SUBFOLDER: the model's folder in a pipeline saved by diffusers: "unet", "transformer", ...
        LEVELS: the levels of `exvideo_blocks.LEVELS` that it serves.
        GROUPS: kinds of parameters for a summary, title -> regular expression; the first that a name holds decides.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 a constant where the family is a module
    @property
    def PIPELINE_TAG(self) -> str: ...  # noqa: N802 as above
    @property
    def SUBFOLDER(self) -> str: ...  # noqa: N802 as above
    @property
    def LEVELS(self) -> Collection[str]: ...  # noqa: N802 as above
    @property
    def GROUPS(self) -> Mapping[str, str]: ...  # noqa: N802 as above

    def model_class(self) -> type[nn.Module]:
        """The class of its models. Of all families, the one with the most specific class of a model has it."""
        ...

    def base_frames(self, model: Any) -> int:
        """Frames the base was trained at; the family's usual length where its config does not say."""
        ...

    def can_run(self, model: Any, num_frames: int) -> bool:
        """True if the base, not extended, computes clips of that length, however badly."""
        ...

    def rows(self, num_frames: int) -> int:
        """Temporal rows (latent frames) of a clip.

        Raises:
            ValueError: no clip of the family has so many frames; the message names the nearest numbers that one has.
        """
        ...

    def architecture(self, model: Any) -> dict[str, Any]:
        """The part of the model's config that decides whether an extension's tensors fit, as plain JSON values."""
        ...

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        """Every temporal site by its name in the model, to be swapped for its extended stand-in."""
        ...

    def extended_site(self, site: Any, config: ExtensionConfig, known_frames: int) -> nn.Module:
        """An extended stand-in for one site, which is left as it was; `twin_with_own` makes one.

        Positions are `PositionTable`s, which `lengthen` knows to continue: `FrameTable`s, or `AngleOffsets` where they
        are rotary. For clips of up to `known_frames` it computes what the site computes, if the positions are reflected
        or continued. A site that the level changes nothing of may be returned itself, and is no site then.
        """
        ...

    def adapted_names(self, site: Any, level_name: str) -> list[str]:
        """Names, within an extended site, of the parameters that the level adapts."""
        ...

    def dead_names(self, names: Iterable[str], context_tokens: int | None) -> list[str]:
        """Those of some parameters that cannot learn if the model is conditioned on so many tokens (None: unknown)."""
        ...

    def objective(self, scheduler: Any, **settings: Any) -> Objective:
        """The objective that the model trains under.

        Args:
            scheduler: the diffusers scheduler that the base model samples with.
            settings: by name, as exvideo-train's configuration has them; None leaves one at the family's own value.

        Raises:
            ValueError: the family's models are not trained as this scheduler samples, or do not have a setting.
        """
        ...

    def call(self, network: Any, model_input: Tensor, time: Tensor, conditions: Any) -> Tensor:
        """The network's answer: the one place that knows the arguments and the layout of its forward pass.

        Args:
            network: the model or a wrapper of it.
            model_input: (batch, frames, ...), in the dtype that the network computes in.
            time: as `Objective.precondition` gives it, or a scalar of the sampler's scheduler.
            conditions: `exvideo_infer.Conditions`, or an object with those of its attributes that the family reads.

        Returns:
            The prediction, of the input's shape.
        """
        ...


def row_a_frame(num_frames: int) -> int:
    """Temporal rows of a clip in families whose autoencoder does not compress time."""
    return num_frames


def unet_groups(blocks: str) -> dict[str, str]:
    """Kinds of parameters of an extended UNet whose temporal blocks are in modules of this name."""
    inside = rf"(^|\.){blocks}\..*"
    return {
        "LoRA": r"\.lora_[AB]\b",
        "frame tables": r"(^|\.)frame_table",
        "identity convolutions": r"(^|\.)identity_conv",
        "time_pos_embed": r"(^|\.)time_pos_embed\.",
        "temporal attn1": inside + r"\.attn1\.",
        "temporal attn2": inside + r"\.attn2\.",
        "temporal feed-forwards": inside + r"\.ff(_in)?\.",
        "temporal norms": inside + r"\.norm\w*\.",
    }


def check_class(module: nn.Module, known: type[nn.Module]) -> None:
    """Raises ValueError if a module is of another class than the one that a stand-in computes for, be it a subclass."""
    if type(module) is not known:
        raise ValueError(
            f"A temporal site of this model has a {type(module).__name__} where a {known.__name__} is known, and its "
            f"own computation would be lost: put a plain {known.__name__} back before extending the model "
            "(for FreeNoise: disable_free_noise)."
        )


def check_unfused(attention: Any) -> None:
    """Raises ValueError if the query, key and value projections of an attention of diffusers are fused into one."""
    if getattr(attention, "fused_projections", False):
        raise ValueError(
            "A temporal attention of this model has fused projections (fuse_qkv_projections), beside which the "
            "separate ones that an extension adapts are not used: call model.unfuse_qkv_projections() first."
        )


def check_processor(processor: Any) -> None:
    """Raises ValueError unless an attention processor is one of diffusers' that compute plain attention."""
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0, XFormersAttnProcessor

    if type(processor) not in (AttnProcessor, AttnProcessor2_0, XFormersAttnProcessor):
        raise ValueError(
            f"A temporal attention has, or is to have, a {type(processor).__name__}, but an extended block of this "
            "model computes plain attention itself and would ignore it: call model.set_attn_processor with diffusers' "
            "AttnProcessor2_0(), or give the processors of all others by name."
        )


def plain_architecture(config: dict[str, Any], ignored: set[str]) -> dict[str, Any]:
    """A diffusers config as plain JSON values, without its private entries and the ignored ones."""
    kept = {name: value for name, value in config.items() if not name.startswith("_") and name not in ignored}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in sorted(kept.items())}
