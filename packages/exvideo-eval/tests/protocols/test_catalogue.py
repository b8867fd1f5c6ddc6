import json

import pytest
from exvideo_eval.features.published.networks import NETWORKS
from exvideo_eval.protocols.catalogue import PROTOCOLS, protocol_named


def test_each_protocol_says_all_of_itself_in_plain_json_and_no_two_have_one_hash() -> None:
    for name, protocol in PROTOCOLS.items():
        assert json.loads(json.dumps(protocol.to_dict())) == protocol.to_dict(), name
        assert protocol.features.network in NETWORKS
    assert len({protocol.sha256 for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


@pytest.mark.parametrize(
    ("name", "frames", "samples", "statistic"),
    [
        ("fvd:tf-original", None, (16, 16), {"ddof": 1, "ridge": 0.0, "root_eps": 1e-10}),
        ("fvd:stylegan-v", (16, 1), (2048, 2048), {"ddof": 0, "ridge": 0.0, "root_eps": 0.0}),
        ("fvd:stylegan-v-128f", (128, 1), (2048, 2048), {"ddof": 0, "ridge": 0.0, "root_eps": 0.0}),
        ("fvd:stylegan-v-128f-subsample8", (16, 8), (2048, 2048), {"ddof": 0, "ridge": 0.0, "root_eps": 0.0}),
        ("fvd:cd-fvd", (16, 1), (None, 2048), {"ddof": 0, "ridge": 0.0, "root_eps": 0.0}),
        ("fvd:videogpt", (16, 1), (256, 256), {"ddof": 1, "ridge": 0.0, "root_eps": 1e-10}),
        ("fvd:common-metrics", None, (2, 2), {"ddof": 1, "ridge": 0.0, "root_eps": 0.0}),
        ("fvd:fastvideo", (16, 1), (2048, 2048), {"ddof": 1, "ridge": 1e-6, "root_eps": 0.0}),
        ("kvd:stylegan-v", (16, 1), (1000, 1000), {"subsets": 100, "subset_size": 1000}),
        ("jedi", (16, 1), (5000, 5000), {"degree": 2, "coef0": 0.0, "unbiased": False, "factor": 100.0}),
        ("mind", None, (5000, 5000), {"projections": 1000}),
        ("video-inception-score", (16, 1), (None, 2048), {"splits": 10, "shuffle_seed": 42}),
    ],
)
def test_the_definitions_of_the_literature(
    name: str, frames: tuple[int, int] | None, samples: tuple[int | None, int], statistic: dict[str, object]
) -> None:
    """As they are in the papers and in the authors' code; a change here is a change of what is measured."""
    protocol = protocol_named(name).to_dict()
    taken = protocol["features"]["frames"]
    assert (None if taken["count"] is None else (taken["count"], taken["stride"])) == frames
    assert (protocol["samples"]["real"], protocol["samples"]["generated"]) == samples
    assert {key: value for key, value in protocol["statistic"].items() if key != "kind"} == statistic


def test_an_unknown_name_is_answered_by_the_dialects() -> None:
    with pytest.raises(ValueError, match="choose one of fvd:tf-original, fvd:stylegan-v, "):
        protocol_named("fvd")
    with pytest.raises(ValueError, match="No measure is called 'psnr': choose one of fvd:tf-original"):
        protocol_named("psnr")
