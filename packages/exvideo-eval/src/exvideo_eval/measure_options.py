"""Options of the command for published measures."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exvideo_eval.features.published.networks import FILE_KEYS, NETWORKS

if TYPE_CHECKING:
    from exvideo_eval.protocols.measuring import MeasureSettings

# The catalogue's names, without the libraries that its protocols compute with: help must not wait for them.
DIALECTS = (
    "tf-original",
    "stylegan-v",
    "stylegan-v-128f",
    "stylegan-v-128f-subsample8",
    "cd-fvd",
    "cd-fvd-videomae",
    "videogpt",
    "common-metrics",
    "fastvideo",
    "fastvideo-128f",
    "fastvideo-128f-subsample8",
)
OTHERS = (
    "jedi",
    "fid",
    "fid-by-frame",
    "kid",
    "mind",
    "inception-score",
    "video-inception-score",
    "clip-score",
    "clip-cosine",
    "temporal-clip",
)

OF_CLIPS = ("smoothness", "warp-error", "dynamic-degree", "flow-direction", "niqe", "brisque")


def add_measure_options(parser: argparse.ArgumentParser) -> None:
    """Add the group "published measures"."""
    files = ", ".join(f"{key} ({file})" for network in NETWORKS.values() for key, file in network.files)
    group = parser.add_argument_group(
        "published measures",
        f"By protocols of the literature: {', '.join(OTHERS)}, and fvd:DIALECT and kvd:DIALECT, DIALECT one of "
        f"{', '.join(DIALECTS)}. Networks, by KEY: {files}. By networks that are inside packages, without any option "
        f"but --measure: {', '.join(OF_CLIPS)}.",
    )
    group.add_argument(
        "--measure", action="append", default=[], metavar="NAME", help="such as fvd:stylegan-v; may be given again"
    )
    group.add_argument(
        "--network",
        action="append",
        default=[],
        metavar="[KEY=]PLACE",
        help="file of a network: a path, or hf://OWNER/REPOSITORY/FILE; for clip, a folder or hub id",
    )
    group.add_argument(
        "--network-sha256",
        action="append",
        default=[],
        metavar="[KEY=]HEX",
        help="of that file; nothing else is opened",
    )
    group.add_argument(
        "--surrogate",
        action="append",
        default=[],
        metavar="[KEY=]NAME",
        help="the network of this key is another, called NAME: no metric then has its published name",
    )
    group.add_argument(
        "--allow-fewer",
        action="store_true",
        help="measure fewer clips than a protocol takes, under a name that says so",
    )


def measure_settings(options: argparse.Namespace) -> "MeasureSettings | None":
    """The settings that were given for published measures; None where none was.

    Raises:
        ValueError: an unknown measure or key, or a value without a key where there are several networks.
    """
    names = [name for name in options.measure if name not in OF_CLIPS]
    if not names:
        if options.network or options.network_sha256 or options.surrogate:
            raise ValueError(
                "A network is given, and no measure that needs it: add --measure fvd:stylegan-v, or another."
            )
        return None
    from exvideo_eval.features.published.pinned import PinnedFile
    from exvideo_eval.protocols.catalogue import protocol_named
    from exvideo_eval.protocols.measuring import MeasureSettings

    needed = dict.fromkeys(protocol_named(name).features.network for name in names)
    keys = [file for key in needed for file, _ in NETWORKS[key].files]
    places = _by_key("--network", options.network, keys)
    digests = _by_key("--network-sha256", options.network_sha256, keys)
    return MeasureSettings(
        measures=tuple(names),
        networks={key: PinnedFile(place, digests.get(key, "")) for key, place in places.items()},
        surrogates=_by_key("--surrogate", options.surrogate, keys),
        allow_fewer=options.allow_fewer,
        seed=options.seed,
    )


def clip_measures(options: argparse.Namespace) -> tuple[str, ...]:
    """The names that were given of measures by networks inside packages."""
    return tuple(name for name in options.measure if name in OF_CLIPS)


def _by_key(option: str, values: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """Values by key; a value without one is of the only network there is."""
    found: dict[str, str] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not (equals and key in FILE_KEYS):
            if len(keys) != 1:
                raise ValueError(
                    f"{option} {value} does not say which network it is of: write {keys[0]}= before it, or another of "
                    f"{', '.join(keys)}."
                )
            key, rest = keys[0], value
        if key in found:
            raise ValueError(f"{option} is given twice for {key!r}: give one.")
        found[key] = rest
    return found
