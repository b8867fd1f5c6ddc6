"""The clips that the shipped networks were trained on and are judged by stay what they are, bit for bit.

Photographs are left out (their pixels are the decoder's): a photographed clip is drawn on black. A digest that differs
means another world: nothing that ships knows it.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from tiny_world.world.clip_files import _sidecar
from tiny_world.world.render import render
from tiny_world.world.sampler import sample_spec
from tiny_world.world.spec import PHOTOGRAPHED_PLACES, Background, ClipSpec

CLIPS, NUM_FRAMES, SEEDS = 35, 40, {"train": 0, "seen": 3, "held_out": 5}


def pixels(spec: ClipSpec) -> bytes:
    on_black = spec.background.place in PHOTOGRAPHED_PLACES
    return render(replace(spec, background=Background("black")) if on_black else spec, NUM_FRAMES).tobytes()


PARTS: dict[str, Callable[[ClipSpec], bytes]] = {
    "sidecar": lambda spec: json.dumps(_sidecar(spec, NUM_FRAMES)).encode(),  # captions, spec and states
    "frames": pixels,
}
DIGESTS = {
    ("frames", "held_out"): "41dce23824d366e3",
    ("frames", "seen"): "3a04c740239acd49",
    ("frames", "train"): "49c4a7bf22381ef8",
    ("sidecar", "held_out"): "3b2147e80bf51707",
    ("sidecar", "seen"): "cb1f42b639fdbc39",
    ("sidecar", "train"): "cba2266d29bb163f",
}


@pytest.mark.parametrize("split", sorted(SEEDS))
@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_hundred_clips_are_what_they_were(part: str, split: str) -> None:
    digest = sha256()
    for index in range(CLIPS):
        digest.update(PARTS[part](sample_spec(SEEDS[split], index, split)))
    assert digest.hexdigest()[:16] == DIGESTS[part, split]
