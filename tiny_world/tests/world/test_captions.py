"""Captions say what is in the clip, no more and no less, in a closed vocabulary."""

import pytest

from tiny_world.world import captions
from tiny_world.world.captions import brief_caption, caption, vocabulary, words_of
from tiny_world.world.sampler import SPLITS, sample_spec
from tiny_world.world.spec import ClipSpec

SPECS = [sample_spec(seed, index, split) for seed in (0, 1) for split in SPLITS for index in range(700)]

# The words by which a reader tells the kinds of motion apart, looked for in this order.
MARKS = {
    "bounces": {"bounces"},
    "orbits": {"around", "orbits"},
    "hides": {"behind"},
    "meets": {"meet", "meets", "touch", "together"},
    "pulses": {"grows", "grow", "swells", "shrinks", "shrink", "larger", "smaller"},
    "recolours": {"turns", "changes", "fades", "becomes"},
}
GROWING, SHRINKING = {"grow", "grows", "swells", "larger"}, {"shrink", "shrinks", "smaller"}
MEANINGS = {
    word: name
    for table in (captions.SHAPE_WORDS, captions.COLOUR_WORDS, captions.SIZE_WORDS, captions.SPEED_WORDS)
    for name, choices in table.items()
    for word in choices
}


def read(text: str) -> dict[str, object]:
    """A caption's meaning by its words alone; None for what it leaves open."""
    words = words_of(text)
    kind = next((kind for kind, marks in MARKS.items() if marks & set(words)), "crosses")
    subjects, places = [], []
    for position, word in enumerate(words):
        if MEANINGS.get(word) in captions.SHAPE_WORDS:
            size = MEANINGS.get(words[position - 2])
            subject = (MEANINGS[word], MEANINGS[words[position - 1]], size if size in captions.SIZE_WORDS else None)
            side = next((w for w in words[position + 1 : position + 4] if w in ("left", "right")), None)
            subjects.append((subject, side))
            places.append(position)
    if len(subjects) == 2 and subjects[0][1] == "right":
        subjects.reverse()
    colours = [MEANINGS[w] for i, w in enumerate(words) if w in MEANINGS and i + 1 not in places]
    second = [colour for colour in colours if colour in captions.COLOUR_WORDS]
    return {
        "kind": kind,
        "subjects": [subject for subject, _ in subjects],
        "direction": _direction(kind, words),
        "speed": next((MEANINGS[w] for w in words if MEANINGS.get(w) in captions.SPEED_WORDS), None),
        "place": next((p for p, phrases in captions.PLACE_PHRASES.items() if text.endswith(phrases)), None),
        "second_colour": second[0] if second else None,
    }


def _direction(kind: str, words: list[str]) -> str | None:
    if kind in ("recolours", "meets"):
        return {"recolours": "back", "meets": "apart"}[kind]
    if kind == "pulses":
        first = next(word for word in words if word in GROWING | SHRINKING)
        return "grows" if first in GROWING else "shrinks"
    names = {"left", "right", "up", "down", "clockwise", "counterclockwise", "anticlockwise"}
    found = next((word for word in words if word in names), None)
    return "counterclockwise" if found == "anticlockwise" else found


def truth(spec: ClipSpec) -> dict[str, object]:
    return {
        "kind": spec.motion.kind,
        "subjects": [(s.shape, s.colour, s.size) for s in spec.subjects],
        "direction": spec.motion.direction,
        "speed": spec.motion.speed,
        "place": spec.background.place,
        "second_colour": spec.motion.second_colour,
    }


def test_a_full_caption_tells_every_attribute() -> None:
    for spec in SPECS:
        assert read(caption(spec)) == truth(spec), caption(spec)


def test_a_brief_caption_tells_the_truth_and_leaves_size_speed_and_place_open() -> None:
    for spec in SPECS:
        said, true = read(brief_caption(spec)), truth(spec)
        assert said.pop("direction") in (None, true.pop("direction"))
        assert said.pop("speed") is said.pop("place") is None
        true["subjects"] = [(s.shape, s.colour, None) for s in spec.subjects]
        assert said == {name: true[name] for name in said}, brief_caption(spec)


def test_the_vocabulary_is_exactly_what_captions_use() -> None:
    used = {word for spec in SPECS for text in (caption(spec), brief_caption(spec)) for word in words_of(text)}
    assert used == set(vocabulary())
    assert 80 <= len(used) <= 120


def test_a_paraphrase_changes_words_only() -> None:
    spec = SPECS[0]
    texts = {caption(ClipSpec(spec.subjects, spec.background, spec.motion, paraphrase)) for paraphrase in range(500)}
    assert len(texts) > 50
    assert all(read(text) == truth(spec) for text in texts)


@pytest.mark.parametrize("kind", sorted(captions.TEMPLATES))
def test_every_motion_has_four_paraphrases_or_more(kind: str) -> None:
    assert len(set(captions.TEMPLATES[kind])) >= 4
