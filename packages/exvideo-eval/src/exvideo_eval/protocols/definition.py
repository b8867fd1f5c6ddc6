"""A protocol: everything that its number depends on, but for the clips and the network's file."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from exvideo_eval.protocol import protocol_hash
from exvideo_eval.protocols.frames import RANDOM, REAL, Frames, side_of
from exvideo_eval.protocols.pixels import Step
from exvideo_eval.protocols.statistics import Statistic

CLIP, FRAME = "clip", "frame"
BY_NAME, DRAWN = "the first by name", "drawn at random"


@dataclass(frozen=True)
class FeatureRule:
    """The way from a file to feature vectors.

    Args:
        network: the key of a published network.
        frames: those of a file that count.
        pixels: the steps from frames to the network's input.
        call: keyword arguments of the network.
        sample: "clip": frames go in together, (batch, 3, frames, height, width), and give one vector; "frame": each
            goes in for itself, (batch, 3, height, width).
        batch_size: of the authors' code. It changes no number but by rounding, and another may be taken.
    """

    network: str
    frames: Frames
    pixels: tuple[Step, ...]
    call: tuple[tuple[str, bool], ...]
    sample: str
    batch_size: int

    def sha256(self, role: str, network_sha256: str, seed: int) -> str:
        """Hash of all that a file's features depend on, but for its content and, where a start is drawn, its name."""
        rule = _plain(self)
        rule.pop("batch_size")
        start = self.frames.start(role)
        rule["frames"] |= {"real_start": "", "generated_start": "", "start": start}
        drawn = {"seed": seed, "side": side_of(role)} if start == RANDOM else {}
        return protocol_hash({"rule": rule, "network_sha256": network_sha256, **drawn})


@dataclass(frozen=True)
class Samples:
    """Numbers of clips (or of frames, where these are the samples) that a protocol is defined for.

    Args:
        real, generated: of each set; None: of all that there are.
        exactly: no more than these are taken; else at least.
        chosen: of more than are taken, "the first by name" or "drawn at random".
        multiple_of: the number of clips must be one.
    """

    real: int | None
    generated: int | None
    exactly: bool = True
    chosen: str = BY_NAME
    multiple_of: int = 1

    def of(self, role: str) -> int | None:
        return self.real if side_of(role) == REAL else self.generated


@dataclass(frozen=True)
class Protocol:
    """A published measure in one dialect, whole.

    Args:
        measure: its name in the literature, such as "FVD".
        dialect: whose code it follows; "" where there is one alone.
        source: paper or code.
        features, samples, statistic: see these.
    """

    measure: str
    dialect: str
    source: str
    features: FeatureRule
    samples: Samples
    statistic: Statistic

    @property
    def name(self) -> str:
        """For people: "FVD (stylegan-v)"."""
        return f"{self.measure} ({self.dialect})" if self.dialect else self.measure

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; each step and statistic with the name of its kind."""
        return _plain(self)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of `to_dict`."""
        return protocol_hash(self.to_dict())


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = {} if isinstance(value, Protocol | FeatureRule | Samples | Frames) else {"kind": type(value).__name__}
        return kind | {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
