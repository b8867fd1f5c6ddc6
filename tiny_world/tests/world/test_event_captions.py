"""Captions of clips with events: told apart by words that the shipped tokenizer has, and complete."""

import json
from pathlib import Path

import exvideo_infer
import pytest

from tiny_world.world import captions
from tiny_world.world.captions import brief_caption, caption, vocabulary, words_of
from tiny_world.world.event_captions import BRIEF_EVENT_TEMPLATES, EVENT_TEMPLATES
from tiny_world.world.event_sampler import sample_event
from tiny_world.world.spec import EVENTS, ClipSpec

CLIPS = {kind: [sample_event(0, index, kind, 3) for index in range(200)] for kind in EVENTS}


def kind_of(text: str) -> str:
    """By the words alone, as a reader tells."""
    words = set(words_of(text))
    if "bounces" in words:
        return "bounce"
    if "behind" in words:
        return "occlusion"
    return "blink" if "vanishes" in words else "turn"


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_a_caption_tells_event_subject_direction_speed_and_place(kind: str) -> None:
    for spec in CLIPS[kind]:
        text, subject = caption(spec), spec.subjects[0]
        words = words_of(text)
        assert kind_of(text) == kind_of(brief_caption(spec)) == kind
        assert [word for word in words if word in ("left", "right", "up", "down")] == [spec.motion.direction]
        assert set(words) & set(captions.SPEED_WORDS[spec.motion.speed])
        shapes, colours = captions.SHAPE_WORDS[subject.shape], captions.COLOUR_WORDS[subject.colour]
        at = next(n for n, word in enumerate(words) if word in shapes)
        assert words[at - 1] in colours
        assert words[at - 2] in captions.SIZE_WORDS["small"]
        assert text.endswith(captions.PLACE_PHRASES[spec.background.place])


def test_the_shipped_tokenizer_has_every_word() -> None:
    path = Path(exvideo_infer.__file__).parent / "embedded" / "tokenizer" / "tokenizer.json"
    known = set(json.loads(path.read_text())["model"]["vocab"])
    used = {word for specs in CLIPS.values() for s in specs for word in words_of(caption(s) + " " + brief_caption(s))}
    assert used <= known
    assert used <= set(vocabulary())


def test_events_say_each_their_own() -> None:
    assert set(EVENT_TEMPLATES) == set(BRIEF_EVENT_TEMPLATES) == set(EVENTS)
    assert all(len(set(templates)) >= 4 for templates in EVENT_TEMPLATES.values())
    every = [text for templates in EVENT_TEMPLATES.values() for text in templates]
    assert not {*every} & {text for templates in captions.TEMPLATES.values() for text in templates}


def test_the_words_do_not_depend_on_the_dial() -> None:
    specs: list[ClipSpec] = [sample_event(0, 4, "bounce", duration) for duration in (1, 20)]
    assert caption(specs[0]) == caption(specs[1])
