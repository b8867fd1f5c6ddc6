"""The rules of a measurement, hashed into every result so that unlike is not compared with like."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the protocol as canonical JSON: keys sorted, no spaces, so that order does not matter.

    Raises:
        ValueError: the protocol holds something other than text, finite numbers, booleans, null, lists and objects.
    """
    try:
        text = json.dumps(protocol, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A protocol must hold plain JSON values only: {error}.") from error
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class QualityProtocol:
    """Everything that changes the numbers of a quality report, except the generated clips themselves.

    The number of generated clips is part of it: a Fréchet distance grows as samples get fewer, so two of them compare
    only at equal numbers. So is the content of the real set (names and bytes of the files counted).
    """

    num_frames: int
    height: int
    width: int
    window: int
    window_stride: int
    features: str
    feature_input: str
    feature_weights_sha256: str
    feature_dimension: int
    frechet_dimension: int | None  # None: too few clips for any; the report's notes say so
    real_files_sha256: str
    real_clips: int
    generated_clips: int
    resamples: int
    level: float
    seed: int
    seam_every: int | None = None
    judges: Mapping[str, str] | None = None  # SHA-256 of each of their files; None: these clips have no judges
    # Bumped whenever a definition in this package changes a number.
    definitions: str = "exvideo-eval quality 3"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)
