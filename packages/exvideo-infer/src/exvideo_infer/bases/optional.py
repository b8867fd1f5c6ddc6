"""The parts that a base may have beyond the contract: each is a protocol, and whoever needs it asks for it."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from exvideo_infer.bases.sampling_defaults import SamplingDefaults


@runtime_checkable
class AugmentsFirstFrame(Protocol):
    """A base whose network is told how much noise is on its first frame; `conditions` takes it as well."""

    def encode_noisy_image(self, image: Tensor) -> dict[str, Tensor]:
        """The part of `conditions` that is not of the clean first frame where noise is put on it; no batch axis.

        With it goes `noise_augmentation`, a scalar: the standard deviation of the noise.

        Args:
            image: (3, height, width), in [-1, 1] before the noise was added.
        """
        ...


@runtime_checkable
class DecidesObjective(Protocol):
    """A base that decides settings of its family's objective, as that a first frame is given."""

    @property
    def objective_settings(self) -> dict[str, Any]:
        """Arguments of `exvideo_blocks.Family.objective` by name."""
        ...


@runtime_checkable
class MixesExperts(Protocol):
    """A base that may be a mixture of networks, each for noise levels of its own, with an extension of its own.

    Attributes:
        experts: their names; none where there is one network.
    """

    @property
    def experts(self) -> tuple[str, ...]: ...

    def of_expert(self, name: str) -> Any:
        """The base, of which the network is this expert."""
        ...


@runtime_checkable
class SampledByStock(Protocol):
    """A base that its own pipeline of diffusers samples, with the extension that is mounted on its network.

    Attributes:
        image_pipeline: the one that begins at a picture; None where there is none.
        gives_first_frame: True if `pipeline` itself is that one.
        networks: that it denoises with: `network`, or the experts of a mixture, the one of the highest noise first.
    """

    @property
    def pipeline(self) -> Any: ...
    @property
    def image_pipeline(self) -> Any: ...
    @property
    def gives_first_frame(self) -> bool: ...
    @property
    def network(self) -> Any: ...
    @property
    def networks(self) -> Sequence[Any]: ...
    @property
    def scheduler(self) -> Any: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def size_multiple(self) -> int: ...
    @property
    def default_size(self) -> tuple[int, int] | None: ...
    @property
    def sampling_defaults(self) -> SamplingDefaults: ...

    def call_arguments(self, sampling: SamplingDefaults, fps: float) -> dict[str, Any]:
        """Those of the pipeline's call that are not the same in all families, as its guidance."""
        ...
