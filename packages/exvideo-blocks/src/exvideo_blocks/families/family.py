"""What a kind of video model has to say of itself to be extended. docs/adding-a-family.md shows one from end to end."""

from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

if TYPE_CHECKING:
    from exvideo_blocks.config import ExtensionConfig


class Objective(Protocol):
    """What a network is shown at each noise level, and what it should have said. Latents in the model's own layout."""

    def noise_levels(self) -> Tensor:
        """The levels that training draws from, uniformly, (levels,)."""
        ...

    def precondition(self, latents: Tensor, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of noisy latents, and its time input.

        Args:
            latents: clean latents, (batch, ...).
            noise: standard normal, same shape.
            level: one of `noise_levels` a clip, (batch,).

        Returns:
            The input, of the latents' shape, without conditioning channels; the time, (batch,).
        """
        ...

    def loss(self, prediction: Tensor, latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The loss of each clip, (batch,) in fp32, for the network's output of the latents' shape."""
        ...


class Family(Protocol):
    """One kind of video model: a module with these names, or an object."""

    @property
    def NAME(self) -> str:  # noqa: N802 a constant where the family is a module
        """Its name in extension files."""
        ...

    @property
    def MODEL_CLASS(self) -> str:  # noqa: N802 as above
        """The class of its models, as an error names it."""
        ...

    @property
    def PIPELINE_TAG(self) -> str:  # noqa: N802 as above
        """What its models do, as the Hugging Face hub calls it: "image-to-video", "text-to-video", ..."""
        ...

    def matches(self, model: nn.Module) -> bool:
        """True for a model of this family."""
        ...

    def base_frames(self, model: Any) -> int:
        """Frames the base was trained at; the family's usual length where its config does not say."""
        ...

    def architecture(self, model: Any) -> dict[str, Any]:
        """What decides whether an extension's tensors fit, as plain JSON values."""
        ...

    def find_sites(self, model: nn.Module) -> dict[str, nn.Module]:
        """Every temporal site by its name in the model: what is swapped for its extended stand-in."""
        ...

    def extended_site(self, site: Any, config: "ExtensionConfig", known_frames: int) -> nn.Module:
        """An extended stand-in for one site, which is left as it was; `twin_with_own` makes one.

        Positions are `FrameTable`s, which `lengthen` knows to continue. For clips of up to `known_frames` it computes
        what the site computes, if the positions are reflected or continued.
        """
        ...

    def adapted_names(self, site: Any, level_name: str) -> list[str]:
        """Names, within an extended site, of the parameters that the level adapts."""
        ...

    def is_dead_with_one_token(self, name: str) -> bool:
        """True for a parameter that cannot learn where the model is conditioned on a single token."""
        ...

    def objective(self, scheduler: Any) -> Objective:
        """What the model trains under.

        Args:
            scheduler: the diffusers scheduler that the base model samples with.

        Raises:
            ValueError: the family's models are not trained as this scheduler samples.
        """
        ...


def check_class(module: nn.Module, known: type[nn.Module]) -> None:
    """Raises ValueError if a module is of another class than the one that a stand-in computes for, be it a subclass."""
    if type(module) is not known:
        raise ValueError(
            f"A temporal site of this model has a {type(module).__name__} where a {known.__name__} is known, and its "
            f"own computation would be lost; put a plain {known.__name__} back before extending the model "
            "(for FreeNoise: disable_free_noise)."
        )


def plain_architecture(config: dict[str, Any], ignored: set[str]) -> dict[str, Any]:
    """A diffusers config as plain JSON values, without its private entries and the ignored ones."""
    kept = {name: value for name, value in config.items() if not name.startswith("_") and name not in ignored}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in sorted(kept.items())}
