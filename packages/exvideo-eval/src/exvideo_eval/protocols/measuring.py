"""Published measures of one set of clips against the real ones: figures, curves, and what stands beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from exvideo_eval.execution import Execution
from exvideo_eval.features.published.loading import load_network
from exvideo_eval.features.published.pinned import PinnedFile
from exvideo_eval.protocols.catalogue import protocol_named
from exvideo_eval.protocols.definition import Protocol
from exvideo_eval.protocols.extraction import Extractor, SetFeatures
from exvideo_eval.protocols.figures import Context, Measured, clip_figure, distance_figure, set_figure
from exvideo_eval.protocols.frames import REAL
from exvideo_eval.protocols.statistics import CaptionSimilarity, ClassVariety, FrameConsistency
from exvideo_eval.statistics import Resampling


@dataclass(frozen=True)
class MeasureSettings:
    """Choices for published measures.

    Args:
        measures: names of protocols, such as "fvd:stylegan-v" and "jedi".
        networks: pinned files by key; see `exvideo_eval.features.published.networks`.
        surrogates: by key, the name of a network that stands in for the published one.
        allow_fewer: measure what there is where the protocol takes more; the metric's name then says how many.
        seed: of random starts, subsets and directions.

    Raises:
        ValueError: no measure has one of the names.
    """

    measures: tuple[str, ...]
    networks: Mapping[str, PinnedFile] = field(default_factory=dict)
    surrogates: Mapping[str, str] = field(default_factory=dict)
    allow_fewer: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.measures:
            protocol_named(name)


class Meter:
    """Measures sets of clips by published protocols; networks are loaded, and real clips read, once.

    Raises:
        ValueError: a network is not given, or is not the pinned one; see `load_network`.
    """

    def __init__(self, settings: MeasureSettings, execution: Execution | None = None) -> None:
        self.settings, self.execution = settings, execution or Execution()
        self.protocols = {name: protocol_named(name) for name in dict.fromkeys(settings.measures)}
        keys = dict.fromkeys(protocol.features.network for protocol in self.protocols.values())
        self.networks = {
            key: load_network(key, settings.networks, settings.surrogates, self.execution.device) for key in keys
        }
        self._known: dict[tuple[str, Path], SetFeatures] = {}

    def extract(self, folders: Mapping[str, Path]) -> None:
        """Compute all features of folders by role, or of several processes this one's share, in the same order.

        Raises:
            ValueError: as `measure`.
        """
        for protocol in self.protocols.values():
            alone = isinstance(protocol.statistic, CaptionSimilarity | FrameConsistency | ClassVariety)
            for role, folder in folders.items():
                if role != REAL or not alone:
                    self._features(protocol, role, folder)

    def measure(self, role: str, real: Path, folder: Path, resampling: Resampling) -> Measured:
        """All measures of a folder's clips against the real ones.

        Raises:
            ValueError: one sentence: a folder without usable clips, fewer than a protocol takes (where that is not
                allowed), clips without captions, or a network that answers in another shape.
        """
        parts = [self._one(name, protocol, role, real, folder, resampling) for name, protocol in self.protocols.items()]
        return Measured(
            metrics=tuple(metric for part in parts for metric in part.metrics),
            curves=tuple(curve for part in parts for curve in part.curves),
            clip_values=tuple(values for part in parts for values in part.clip_values),
            record={name: part.record for name, part in zip(self.protocols, parts, strict=True)},
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
            skipped=tuple(
                replace(item, measure=name)
                for name, part in zip(self.protocols, parts, strict=True)
                for item in part.skipped
            ),
            measures=tuple(measure for part in parts for measure in part.measures),
        )

    def _one(
        self, name: str, protocol: Protocol, role: str, real: Path, folder: Path, resampling: Resampling
    ) -> Measured:
        network, kind = self.networks[protocol.features.network], protocol.statistic
        context = Context(name, protocol, network, self.settings.seed, self.settings.allow_fewer)
        found = self._features(protocol, role, folder)
        if isinstance(kind, CaptionSimilarity | FrameConsistency):
            return clip_figure(context, kind, found, resampling)
        if isinstance(kind, ClassVariety):
            return set_figure(context, kind, found)
        return distance_figure(context, kind, self._features(protocol, "real", real), found, resampling)

    def _features(self, protocol: Protocol, role: str, folder: Path) -> SetFeatures:
        """Of a folder under a protocol's rule, which several protocols may share."""
        rule = protocol.features
        network = self.networks[rule.network]
        key = (rule.sha256(role, network.sha256, self.settings.seed), folder)
        if key not in self._known:
            extract = Extractor(rule, network, self.settings.seed, self.execution)
            self._known[key] = extract(role, folder)
        return replace(self._known[key], role=role)
